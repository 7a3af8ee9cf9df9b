"""Coupons' HTTP doors."""

from services.coupons.routes import coupons, redemptions, templates

ROUTERS = [templates.router, coupons.router, redemptions.router]
