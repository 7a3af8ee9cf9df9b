"""Profile's HTTP doors."""

from services.profile.routes import browser, customers
from services.profile.routes.ingest import BODY_LIMITS, add_ingest
from services.profile.routes.table import segment_table
from services.profile.schemas.examples import EXAMPLES

ROUTERS = [customers.router, browser.router]

__all__ = ["BODY_LIMITS", "EXAMPLES", "ROUTERS", "add_ingest", "segment_table"]
