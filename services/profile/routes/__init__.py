"""Profile's HTTP doors."""

from services.profile.routes.customers import router
from services.profile.routes.ingest import BODY_LIMITS, add_ingest
from services.profile.schemas.examples import EXAMPLES

__all__ = ["BODY_LIMITS", "EXAMPLES", "add_ingest", "router"]
