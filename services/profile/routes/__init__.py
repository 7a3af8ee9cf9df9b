"""Profile's HTTP doors."""

from services.profile.routes import browser, customers
from services.profile.routes.ingest import BODY_LIMITS, add_ingest
from services.profile.routes.table import segment_table

ROUTERS = [customers.router, browser.router]

__all__ = ["BODY_LIMITS", "ROUTERS", "add_ingest", "segment_table"]
