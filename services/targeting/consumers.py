"""What targeting listens to: profile and segmentation by the clock, and what coupons answers."""

from collections.abc import Iterable

from services.targeting import actions
from shared import topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events.coupons import CouponIssued, CouponRefused, CouponWithheld
from shared.events.profile import ProfileUpdated
from shared.events.segmentation import LifecycleStageChanged, SegmentEntered, SegmentLeft

# Coupons answers what was decided here: waiting for its clock would be waiting for ourselves.
consumers = Consumers(clocked=[topics.PROFILE, topics.SEGMENTATION], unclocked=[topics.COUPONS])


# Nearly all have: whoever came or bought has a stage, and is known by that.
@consumers.on(ProfileUpdated, unless_it_has=("first_visit_at", "first_order_at"))
async def on_profile_updated(session: Session, events: Iterable[ProfileUpdated]) -> None:
    await actions.note_customers(session, events)


@consumers.on(LifecycleStageChanged)
async def on_lifecycle_stage_changed(session: Session, events: Iterable[LifecycleStageChanged]) -> None:
    await actions.note_stages(session, events)


@consumers.on(SegmentEntered)
async def on_segment_entered(session: Session, events: Iterable[SegmentEntered]) -> None:
    await actions.note_entries(session, events)


@consumers.on(SegmentLeft)
async def on_segment_left(session: Session, events: Iterable[SegmentLeft]) -> None:
    await actions.note_leavings(session, events)


@consumers.on(CouponIssued)
async def on_coupon_issued(session: Session, events: Iterable[CouponIssued]) -> None:
    await actions.note_issued(session, events)


@consumers.on(CouponWithheld)
async def on_coupon_withheld(session: Session, events: Iterable[CouponWithheld]) -> None:
    await actions.note_withheld(session, events)


@consumers.on(CouponRefused)
async def on_coupon_refused(session: Session, events: Iterable[CouponRefused]) -> None:
    await actions.note_refused(session, events)
