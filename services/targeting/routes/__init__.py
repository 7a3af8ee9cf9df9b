"""Targeting's HTTP doors."""

from services.targeting.routes import campaigns, decisions
from services.targeting.schemas.examples import EXAMPLES

ROUTERS = [campaigns.router, decisions.router]
BODY_LIMITS = campaigns.BODY_LIMITS

__all__ = ["BODY_LIMITS", "EXAMPLES", "ROUTERS"]
