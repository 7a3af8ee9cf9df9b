"""Lifecycle stages at a tick: LC1-LC7."""

from collections.abc import Mapping
from datetime import datetime

from services.segmentation import repository
from services.segmentation.domain import DEFAULT_MODEL, Micros, Telling, advance, finite, instant, micros, tellings
from shared import outbox
from shared.database import Session
from shared.events.segmentation import LifecycleStageChanged, StageChange
from shared.ids import Ids
from shared.timekeeper import Now


async def advance_stages(session: Session, now: Now, changes: Mapping[str, Micros]) -> None:
    """The customers' stages and histories are as of the tick, whatever order their orders came in.

    `changes`: from when on each of them may be in another stage than is known.

    Tells `lifecycle.stage_changed` of each step since the tick before; of what a late event put before that, only the
    stage that holds now, if it is another one than was known.
    """
    cases = await repository.get_cases(session, DEFAULT_MODEL, dict(sorted(changes.items())), finite(now.previous))
    if not cases:
        return
    until = micros(now.at)
    advances = [(case, advance(DEFAULT_MODEL, case.start, case.orders, case.first_visit_at, until)) for case in cases]
    await repository.save_advances(session, DEFAULT_MODEL, advances)
    told = [(each.since, case.customer_id, each) for case, done in advances for each in tellings(case.before, done)]
    told.sort(key=lambda row: row[:2])
    ids: Ids = session.info["ids"]
    outbox.emit(session, [(key, stage_changed(ids, key, each, now.at)) for _, key, each in told])


def stage_changed(ids: Ids, customer_id: str, told: Telling, at: datetime) -> LifecycleStageChanged:
    """The step as it is told at the tick `at`."""
    change_id = ids.derive("chg", customer_id, DEFAULT_MODEL.name, told.stage or "", str(told.since))
    caused_at = instant(told.since)
    return LifecycleStageChanged(
        # A step can be taken back and told again: that is another message of the same change.
        id=f"{change_id}:{micros(at)}",
        source="segmentation",
        subject=customer_id,
        time=caused_at,
        data=StageChange(
            change_id=change_id,
            customer_id=customer_id,
            model=DEFAULT_MODEL.name,
            model_version=DEFAULT_MODEL.version,
            caused_at=caused_at,
            decided_at=at,
            current=told.current,
            corrects_past=told.corrects_past,
            reacquired=told.reacquired,
            from_stage=told.from_stage,
            to_stage=told.stage,
        ),
    )
