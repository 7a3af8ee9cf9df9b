"""Coupons' HTTP doors."""

from services.coupons.routes import coupons, redemptions, templates
from services.coupons.schemas.examples import EXAMPLES

ROUTERS = [templates.router, coupons.router, redemptions.router]

__all__ = ["EXAMPLES", "ROUTERS"]
