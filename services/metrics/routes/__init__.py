"""Metrics' HTTP doors."""

from services.metrics.routes import campaigns, totals

ROUTERS = [campaigns.router, totals.router]
