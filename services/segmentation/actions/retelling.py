"""Where everybody stands, told anew: `comeback retell segmentation`. Each action takes the next few.

Told as of the service's clock, which is their version: a later tick's telling wins, an earlier one's loses. It is no
news, so it triggers no campaign: a stage is told as a correction, a membership as found. Steps that are over are not
told; nobody keeps them.
"""

from typing import Any

from services.segmentation import repository
from services.segmentation.actions.staging import stage_changed
from services.segmentation.actions.telling import membership_changed
from services.segmentation.domain import Flip, Stage, Telling, micros
from shared import outbox
from shared.database import Session
from shared.ids import Ids


async def retell_stages(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The stages that hold for the next customers are told once more, as `lifecycle.stage_changed`."""
    at = await repository.lock_clock(session)
    rows = await repository.list_stages(session, after, limit)
    ids: Ids = session.info["ids"]
    told = [(row["customer_id"], stage_changed(ids, row["customer_id"], _telling(row), at)) for row in rows]
    outbox.emit(session, [*told])
    return len(rows), rows[-1]["customer_id"] if rows else None


def _telling(row: Any) -> Telling:
    return Telling(
        micros(row["since"]),
        Stage(row["stage"]) if row["stage"] else None,
        Stage(row["from_stage"]) if row["from_stage"] else None,
        row["reacquired"],
        current=True,
        corrects_past=True,
    )


async def retell_memberships(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next memberships are told once more, as `segment.entered`. `after`: a customer and a segment."""
    at = await repository.lock_clock(session)
    customer_id, _, segment_id = after.partition(" ")
    rows = await repository.list_all_memberships(session, (customer_id, segment_id), limit)
    for row in rows:
        flip = Flip(row["customer_id"], row["segment_id"], inside=True, backfilled=True)
        event = membership_changed(flip, row["segment_version"], row["since"], at)
        outbox.emit(session, [(flip.customer_id, event)])
    return len(rows), f"{rows[-1]['customer_id']} {rows[-1]['segment_id']}" if rows else None
