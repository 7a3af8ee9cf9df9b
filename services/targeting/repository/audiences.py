"""Who is in an audience: explicit lists in pieces, members of segments and stages in order of their ids."""

from typing import Any

from services.targeting.domain import Audience, Kind
from shared.database import ReadSession, Session, execute, fetch, fetch_value

# One piece is decided in one transaction.
PIECE = 5_000

_MEMBERS = {
    Kind.SEGMENT: """SELECT customer_id, segment_version FROM known_memberships
                     WHERE segment_id = $1 AND member AND customer_id > $2 ORDER BY customer_id LIMIT $3""",
    Kind.STAGE: """SELECT customer_id, NULL::bigint AS segment_version FROM known_customers
                   WHERE stage = $1 AND customer_id > $2 ORDER BY customer_id LIMIT $3""",
}


async def set_list(session: Session, campaign_id: str, source_ids: list[str]) -> None:
    """Stores a campaign's explicit list, in the order given; it replaces the one before."""
    await execute(session, "DELETE FROM campaign_audience WHERE campaign_id = $1", campaign_id)
    for piece, first in enumerate(range(0, len(source_ids), PIECE)):
        await execute(
            session,
            "INSERT INTO campaign_audience (campaign_id, piece, source_ids) VALUES ($1, $2, $3)",
            campaign_id,
            piece,
            source_ids[first : first + PIECE],
        )


async def get_piece(session: ReadSession, campaign_id: str, piece: int) -> list[str]:
    """The ids of one piece of a list; none after the last."""
    found = await fetch_value(
        session,
        "SELECT source_ids FROM campaign_audience WHERE campaign_id = $1 AND piece = $2",
        campaign_id,
        piece,
    )
    return found or []


async def list_members(session: ReadSession, audience: Audience, after: str, limit: int) -> list[Any]:
    """Members of a segment or stage as of the service's clock, each with the version of the segment's rule."""
    return await fetch(session, _MEMBERS[audience.kind], audience.name, after, limit)
