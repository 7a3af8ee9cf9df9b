"""Where customers stand, read in the order of their ids to be told anew."""

from datetime import datetime
from typing import Any

from shared.database import ReadSession, Session, fetch, fetch_value


async def lock_clock(session: Session) -> datetime:
    """The service's clock, which does not move until this transaction ends."""
    return await fetch_value(session, "SELECT at FROM clock WHERE one = 1 FOR SHARE")


async def list_stages(session: ReadSession, after: str, limit: int) -> list[Any]:
    """The stages that hold, of customers after this one; without a stage, `since` is when that was last seen."""
    return await fetch(
        session,
        """SELECT s.customer_id, s.stage, coalesce(s.stage_since, s.evaluated_at) AS since, s.reacquired, h.from_stage
           FROM lifecycle_states AS s
           LEFT JOIN lifecycle_history AS h ON h.customer_id = s.customer_id AND h.since = s.stage_since
           WHERE s.customer_id > $1 ORDER BY s.customer_id LIMIT $2""",
        after,
        limit,
    )


async def list_all_memberships(session: ReadSession, after: tuple[str, str], limit: int) -> list[Any]:
    """Memberships after this (customer, segment)."""
    return await fetch(
        session,
        """SELECT customer_id, segment_id, since, segment_version FROM memberships
           WHERE (customer_id, segment_id) > ($1, $2) ORDER BY customer_id, segment_id LIMIT $3""",
        *after,
        limit,
    )
