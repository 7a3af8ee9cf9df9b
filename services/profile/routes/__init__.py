"""Profile's HTTP doors."""

from services.profile.routes.customers import router
from services.profile.routes.ingest import BODY_LIMITS, add_ingest

__all__ = ["BODY_LIMITS", "add_ingest", "router"]
