"""Memberships as they change: stored, and told."""

from collections.abc import Sequence
from datetime import datetime

from services.segmentation import repository
from services.segmentation.domain import Flip, Segment, micros
from shared import outbox
from shared.database import Session
from shared.events.segmentation import Membership, SegmentEntered, SegmentLeft
from shared.timekeeper import Now


async def tell_memberships(
    session: Session, segments: Sequence[Segment], flips: Sequence[tuple[Flip, datetime]], now: Now
) -> None:
    """Who came in is in, who went out is out; tells `segment.entered` and `segment.left`, the earliest cause first."""
    if not flips:
        return
    versions = {segment.segment_id: segment.version for segment in segments}
    await repository.delete_memberships(
        session, [(flip.customer_id, flip.segment_id) for flip, _ in flips if not flip.inside]
    )
    await repository.add_memberships(
        session,
        [(flip.customer_id, flip.segment_id, at, versions[flip.segment_id]) for flip, at in flips if flip.inside],
    )
    ordered = sorted(flips, key=lambda row: (row[1], row[0].customer_id, row[0].segment_id))
    told = [(flip, membership_changed(flip, versions[flip.segment_id], at, now.at)) for flip, at in ordered]
    outbox.emit(session, [(flip.customer_id, event) for flip, event in told])


def membership_changed(flip: Flip, version: int, caused_at: datetime, at: datetime) -> SegmentEntered | SegmentLeft:
    """The flip as it is told at the tick `at`."""
    verb, event = ("entered", SegmentEntered) if flip.inside else ("left", SegmentLeft)
    return event(
        id=f"{flip.segment_id}:{flip.customer_id}:{verb}:{micros(at)}",
        source="segmentation",
        subject=flip.customer_id,
        time=caused_at,
        data=Membership(
            segment_id=flip.segment_id,
            segment_version=version,
            customer_id=flip.customer_id,
            caused_at=caused_at,
            decided_at=at,
            backfilled=flip.backfilled,
        ),
    )
