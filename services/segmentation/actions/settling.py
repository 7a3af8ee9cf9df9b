"""The tick's work on those whom events or time concern: stages first, then the memberships that may hang on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.segmentation import repository
from services.segmentation.actions.staging import advance_stages
from services.segmentation.actions.telling import tell_memberships
from services.segmentation.domain import SECOND, Flip, Micros, Segment, micros, turned_at
from services.segmentation.repository import Cause, Marks
from shared.database import Session
from shared.timekeeper import Now

# Of those for whom time alone does something so many are looked up at once; each is an id in memory, no more.
_DUE = 100_000
# What waits costs a little at each tick of its second; what lies further ahead is looked at now, and found when due.
_A_LITTLE = 60 * SECOND


async def advance_customers(session: Session, now: Now) -> bool:
    """Customers who are marked or due have stages and memberships as of the tick; False if others may be left.

    More than a piece of them are divided into pieces, and nobody is looked at yet. Tells `lifecycle.stage_changed`,
    `segment.entered` and `segment.left`.
    """
    marks = await repository.take_marks(session, now.at)
    if marks is None:
        return False
    due = await repository.take_due(session, now.at, _DUE)
    marks.customer_ids.update(due.customer_ids)
    marks.add_changes(due.changes.items())
    piece: int = session.info["tick_piece"]
    if len(marks.customer_ids) > piece:
        await repository.divide(session, marks, piece)
        return False
    await _advance(session, now, marks)
    return len(due.customer_ids) < _DUE


async def advance_piece(session: Session, now: Now) -> bool:
    """The customers of one piece have stages and memberships as of the tick, which are told; False if there is none."""
    marks = await repository.take_piece(session, now.at)
    if marks is None:
        return False
    await _advance(session, now, marks)
    return True


async def _advance(session: Session, now: Now, marks: Marks) -> None:
    if not marks.customer_ids:
        return
    segments = await repository.list_settled(session)
    if segments:
        # Whose memberships are settled must stand where they stand at the tick.
        await repository.add_due(session, marks, now.at)
    moving, waiting = _divided(micros(now.at), marks.changes)
    await advance_stages(session, now, moving)
    await repository.wait_for(session, waiting)
    if segments:
        await _settle_memberships(session, segments, now, marks)


def _divided(at: Micros, changes: Mapping[str, Micros]) -> tuple[dict[str, Micros], dict[str, Micros]]:
    """What is told a little ahead of the tick, as in a backlog, is looked at when its tick has come, and then once."""
    waiting = {customer_id: since for customer_id, since in changes.items() if at < since <= at + _A_LITTLE}
    return {customer_id: since for customer_id, since in changes.items() if customer_id not in waiting}, waiting


async def _settle_memberships(session: Session, segments: Sequence[Segment], now: Now, marks: Marks) -> None:
    flips = await repository.settle(session, segments, sorted(marks.customer_ids), now.at)
    news = [flip for flip in flips if not flip.backfilled]
    causes = await repository.get_causes(session, segments, news, now.at, now.previous) if news else {}
    told = [(flip, _caused_at(flip, causes, marks.untimed, now)) for flip in flips]
    await tell_memberships(session, segments, told, now)


def _caused_at(flip: Flip, causes: Mapping[tuple[str, str], Cause], untimed: set[str], now: Now) -> datetime:
    """The exact instant if time or a stage turned the rule; else that of the latest fact, or the tick if none tells."""
    cause = causes.get((flip.segment_id, flip.customer_id))
    if cause is None:
        return now.at
    turned = turned_at(cause.moments, flip.inside)
    if turned is not None:
        return turned
    return now.at if flip.customer_id in untimed else cause.fact_at or now.at
