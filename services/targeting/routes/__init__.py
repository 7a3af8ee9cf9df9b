"""Targeting's HTTP doors."""

from services.targeting.routes import campaigns, decisions

ROUTERS = [campaigns.router, decisions.router]
BODY_LIMITS = campaigns.BODY_LIMITS

__all__ = ["BODY_LIMITS", "ROUTERS"]
