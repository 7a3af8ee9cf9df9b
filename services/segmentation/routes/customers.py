"""One customer: their lifecycle, and the segments they are in."""

from datetime import datetime

from services.segmentation import repository
from services.segmentation.errors import CustomerNotFound
from services.segmentation.schemas import MembershipAnswer, StageAnswer
from shared.http.door import SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("customers")


@router.get("/customers/{customer_id}/lifecycle", **access("segments:read", CustomerNotFound))
async def list_lifecycle(
    session: SessionOf, customer_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[StageAnswer]:
    """All stages with their exact instants, the newest last."""
    await repository.get_customer(session, customer_id)
    after = decode_cursor(cursor, datetime)
    rows = await repository.list_history(session, customer_id, after[0] if after else None, limit + 1)
    return Page[StageAnswer].of(
        rows,
        limit,
        key=lambda row: [row["since"].isoformat()],
        item=lambda row: StageAnswer(**{name: row[name] for name in StageAnswer.model_fields}),
    )


@router.get("/customers/{customer_id}/segments", **access("segments:read", CustomerNotFound))
async def list_memberships(
    session: SessionOf, customer_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[MembershipAnswer]:
    await repository.get_customer(session, customer_id)
    after = decode_cursor(cursor, str)
    rows = await repository.list_memberships(session, customer_id, after[0] if after else None, limit + 1)
    return Page[MembershipAnswer].of(
        rows, limit, key=lambda row: [row["segment_id"]], item=lambda row: MembershipAnswer(**dict(row))
    )
