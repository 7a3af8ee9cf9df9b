"""Segmentation's HTTP doors."""

from services.segmentation.routes import customers, lifecycle, segments
from services.segmentation.schemas import EXAMPLES

ROUTERS = [segments.router, lifecycle.router, customers.router]

__all__ = ["EXAMPLES", "ROUTERS"]
