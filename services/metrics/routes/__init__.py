"""Metrics' HTTP doors."""

from services.metrics.routes import campaigns, totals
from services.metrics.schemas.examples import EXAMPLES

ROUTERS = [campaigns.router, totals.router]

__all__ = ["EXAMPLES", "ROUTERS"]
