"""New and changed segments over the customers who are there already, a bounded piece at each tick."""

from services.segmentation import repository
from services.segmentation.actions.telling import tell_memberships
from services.segmentation.domain import Flip, Segment, Status
from shared.database import Session
from shared.timekeeper import Now

_PIECE = 20_000


async def fill_segment(session: Session, now: Now) -> None:
    """Of the segment that has waited longest, the next 20,000 customers are where its rule puts them.

    A deleted segment loses as many of its members instead. All of it is told as backfilled.
    """
    segment = await repository.get_unfinished(session)
    if segment is None:
        return
    if segment.status is Status.LEAVING:
        await _empty(session, segment, now)
    else:
        await _fill(session, segment, now)


async def _fill(session: Session, segment: Segment, now: Now) -> None:
    customer_ids = await repository.list_to_fill(session, segment.filled_up_to, _PIECE)
    if customer_ids:
        flips = await repository.settle(session, [segment], customer_ids, now.at)
        await tell_memberships(session, [segment], [(flip, now.at) for flip in flips], now)
    await repository.mark_filled(
        session,
        segment,
        customer_ids[-1] if customer_ids else segment.filled_up_to,
        len(customer_ids),
        done=len(customer_ids) < _PIECE,
    )


async def _empty(session: Session, segment: Segment, now: Now) -> None:
    customer_ids = await repository.take_members(session, segment.segment_id, _PIECE)
    flips = [Flip(customer_id, segment.segment_id, inside=False, backfilled=True) for customer_id in customer_ids]
    await tell_memberships(session, [segment], [(flip, now.at) for flip in flips], now)
    if len(customer_ids) < _PIECE:
        await repository.archive_segment(session, segment.segment_id)
