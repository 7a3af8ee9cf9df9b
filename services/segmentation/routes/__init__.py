"""Segmentation's HTTP doors."""

from services.segmentation.routes import customers, lifecycle, segments

ROUTERS = [segments.router, lifecycle.router, customers.router]
