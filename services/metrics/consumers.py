"""What metrics listens to: everybody. All topics carry the clock, so figures are complete up to it."""

from collections.abc import Iterable

from services.metrics import actions
from shared import topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events.coupons import CouponIssued, CouponRedeemed, CouponRefused, CouponWithheld, RedemptionRolledBack
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, VisitsRecorded
from shared.events.segmentation import LifecycleStageChanged
from shared.events.targeting import CampaignUpdated, DecisionMade

# Not heard: profile.updated (its figures follow from orders and visits) and coupon.expired (from `valid_until`).
# Nobody decides by a figure, so metrics takes its time and stores much at once.
consumers = Consumers(clocked=[topics.PROFILE, topics.SEGMENTATION, topics.TARGETING, topics.COUPONS], rest_ms=50)


@consumers.on(OrderPaid)
async def on_order_paid(session: Session, events: Iterable[OrderPaid]) -> None:
    await actions.record_orders(session, events)


@consumers.on(OrderRefunded)
async def on_order_refunded(session: Session, events: Iterable[OrderRefunded]) -> None:
    await actions.record_orders(session, events)


@consumers.on(OrderCancelled)
async def on_order_cancelled(session: Session, events: Iterable[OrderCancelled]) -> None:
    await actions.record_orders(session, events)


@consumers.on(VisitsRecorded)
async def on_visits_recorded(session: Session, events: Iterable[VisitsRecorded]) -> None:
    await actions.record_visits(session, events)


@consumers.on(LifecycleStageChanged)
async def on_lifecycle_stage_changed(session: Session, events: Iterable[LifecycleStageChanged]) -> None:
    await actions.record_stages(session, events)


@consumers.on(CampaignUpdated)
async def on_campaign_updated(session: Session, events: Iterable[CampaignUpdated]) -> None:
    await actions.record_campaigns(session, events)


@consumers.on(DecisionMade)
async def on_decision_made(session: Session, events: Iterable[DecisionMade]) -> None:
    await actions.record_decisions(session, events)


@consumers.on(CouponIssued)
async def on_coupon_issued(session: Session, events: Iterable[CouponIssued]) -> None:
    await actions.record_coupons(session, events)


@consumers.on(CouponWithheld)
async def on_coupon_withheld(session: Session, events: Iterable[CouponWithheld]) -> None:
    await actions.record_refusals(session, events, "withheld")


@consumers.on(CouponRefused)
async def on_coupon_refused(session: Session, events: Iterable[CouponRefused]) -> None:
    await actions.record_refusals(session, events, "refused")


@consumers.on(CouponRedeemed)
async def on_coupon_redeemed(session: Session, events: Iterable[CouponRedeemed]) -> None:
    await actions.record_redemptions(session, events, rolled_back=False)


@consumers.on(RedemptionRolledBack)
async def on_redemption_rolled_back(session: Session, events: Iterable[RedemptionRolledBack]) -> None:
    await actions.record_redemptions(session, events, rolled_back=True)
