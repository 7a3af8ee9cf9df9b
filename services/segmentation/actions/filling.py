"""New and changed segments over the customers who are there already, a bounded piece at each tick."""

from services.segmentation import repository
from services.segmentation.actions.telling import tell_memberships
from services.segmentation.domain import Flip, Segment, Status
from shared.database import Session
from shared.timekeeper import Now

# How many customers are looked at in one tick, for all segments together; one that has none costs a little too.
_PIECE = 20_000
_AT_LEAST = 100


async def fill_segments(session: Session, now: Now) -> None:
    """Up to 20,000 customers are where the rules of unfinished segments put them, the longest waiting segment first.

    A deleted segment loses its members in the same way. All of it is told as backfilled.
    """
    left = _PIECE
    while left > 0 and (segment := await repository.get_unfinished(session)) is not None:
        work = _empty if segment.status is Status.LEAVING else _fill
        left -= max(await work(session, segment, now, left), _AT_LEAST)


async def _fill(session: Session, segment: Segment, now: Now, limit: int) -> int:
    customer_ids = await repository.list_to_fill(session, segment.filled_up_to, limit)
    if customer_ids:
        flips = await repository.settle(session, [segment], customer_ids, now.at)
        await tell_memberships(session, [segment], [(flip, now.at) for flip in flips], now)
    await repository.mark_filled(
        session,
        segment,
        customer_ids[-1] if customer_ids else segment.filled_up_to,
        len(customer_ids),
        done=len(customer_ids) < limit,
    )
    return len(customer_ids)


async def _empty(session: Session, segment: Segment, now: Now, limit: int) -> int:
    customer_ids = await repository.take_members(session, segment.segment_id, limit)
    flips = [Flip(customer_id, segment.segment_id, inside=False, backfilled=True) for customer_id in customer_ids]
    await tell_memberships(session, [segment], [(flip, now.at) for flip in flips], now)
    if len(customer_ids) < limit:
        await repository.archive_segment(session, segment.segment_id)
    return len(customer_ids)
