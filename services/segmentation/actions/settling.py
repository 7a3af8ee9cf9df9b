"""The tick's work on those whom events or time concern: stages first, then the memberships that may hang on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.segmentation import repository
from services.segmentation.actions.staging import advance_stages
from services.segmentation.actions.telling import tell_memberships
from services.segmentation.domain import Flip, micros, turned_at
from services.segmentation.repository import Cause, Mark
from shared.database import Session
from shared.timekeeper import Now

_CHUNK = 10_000


async def advance_customers(session: Session, now: Now) -> bool:
    """Customers who are marked or due, up to a chunk of them, have stages and memberships as of the tick.

    False if others may be left. Tells `lifecycle.stage_changed`, `segment.entered` and `segment.left`.
    """
    marks, more = await repository.take_marks(session, _CHUNK, now.at)
    due = await repository.list_due(session, now.at, _CHUNK)
    # Who is due may be marked too: nobody is looked at as long as some of their marks could be left.
    customer_ids = sorted(marks if more else {*marks, *due})
    if not customer_ids:
        return not more
    await repository.delete_passed_dues(session, customer_ids, now.at)
    moving = _moving(now, customer_ids, marks, due)
    await advance_stages(session, now, moving, marks)
    await _keep_waiting(session, now, marks, moving)
    await _settle_memberships(session, now, customer_ids, marks)
    return not more and len(due) < _CHUNK


def _moving(now: Now, customer_ids: Sequence[str], marks: Mapping[str, Mark], due: Sequence[str]) -> list[str]:
    """Those whose stage may be another one by now: a visit of somebody who came before says nothing of it."""
    if len(due) >= _CHUNK:
        return list(customer_ids)  # anybody may be due
    at = micros(now.at)
    moving = {key for key, mark in marks.items() if mark.changes_from is not None and not mark.waits_at(at)}
    moving.update(due)
    return [customer_id for customer_id in customer_ids if customer_id in moving]


async def _keep_waiting(session: Session, now: Now, marks: Mapping[str, Mark], moving: Sequence[str]) -> None:
    """What is told a little ahead of the tick, as in a backlog, is looked at when its tick has come, and then once."""
    moved, at = set(moving), micros(now.at)
    waiting = {key: mark for key, mark in marks.items() if mark.waits_at(at) and key not in moved}
    await repository.wait_for(session, waiting)


async def _settle_memberships(session: Session, now: Now, customer_ids: list[str], marks: Mapping[str, Mark]) -> None:
    segments = await repository.list_settled(session)
    if not segments:
        return
    flips = await repository.settle(session, segments, customer_ids, now.at)
    news = [flip for flip in flips if not flip.backfilled]
    causes = await repository.get_causes(session, segments, news, now.at, now.previous) if news else {}
    untimed = {customer_id for customer_id, mark in marks.items() if mark.untimed}
    await tell_memberships(session, segments, [(flip, _caused_at(flip, causes, untimed, now)) for flip in flips], now)


def _caused_at(flip: Flip, causes: Mapping[tuple[str, str], Cause], untimed: set[str], now: Now) -> datetime:
    """The exact instant if time or a stage turned the rule; else that of the latest fact, or the tick if none tells."""
    cause = causes.get((flip.segment_id, flip.customer_id))
    if cause is None:
        return now.at
    turned = turned_at(cause.moments, flip.inside)
    if turned is not None:
        return turned
    return now.at if flip.customer_id in untimed else cause.fact_at or now.at
