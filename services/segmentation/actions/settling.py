"""The tick's work on those whom events or time concern: stages first, then the memberships that may hang on them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from services.segmentation import repository
from services.segmentation.actions.staging import advance_stages
from services.segmentation.actions.telling import tell_memberships
from services.segmentation.domain import Flip, micros, turned_at
from services.segmentation.repository import Cause, Mark, Marks
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
    concerned = marks.customer_ids if more else marks.customer_ids.union(due)
    if not concerned:
        return not more
    moving, waiting = _divided(now, concerned, marks, due)
    await repository.delete_passed_dues(session, sorted(concerned.intersection(due)), now.at)
    await advance_stages(session, now, moving, marks.changed)
    await repository.wait_for(session, waiting)
    await _settle_memberships(session, now, concerned, marks)
    return not more and len(due) < _CHUNK


def _divided(now: Now, concerned: set[str], marks: Marks, due: Sequence[str]) -> tuple[list[str], dict[str, Mark]]:
    """Those whose stage may be another one by now: a visit of somebody who came before says nothing of it. And what is
    told a little ahead of the tick, as in a backlog: it is looked at when its tick has come, and then once.
    """
    if len(due) >= _CHUNK:
        return sorted(concerned), {}  # anybody may be due
    at = micros(now.at)
    waiting = {key: mark for key, mark in marks.changed.items() if mark.waits_at(at)}
    moving = {key for key, mark in marks.changed.items() if mark.changes_from is not None and key not in waiting}
    moving.update(concerned.intersection(due))
    return sorted(moving), {key: mark for key, mark in waiting.items() if key not in moving}


async def _settle_memberships(session: Session, now: Now, concerned: set[str], marks: Marks) -> None:
    segments = await repository.list_settled(session)
    if not segments:
        return
    flips = await repository.settle(session, segments, sorted(concerned), now.at)
    news = [flip for flip in flips if not flip.backfilled]
    causes = await repository.get_causes(session, segments, news, now.at, now.previous) if news else {}
    untimed = {customer_id for customer_id, mark in marks.changed.items() if mark.untimed}
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
