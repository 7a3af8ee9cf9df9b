"""What metrics can do: remember facts. Each is safe to hear twice and in any order; consumers call these."""

from collections.abc import Iterable
from typing import Literal

from services.metrics import repository
from services.metrics.domain import facts
from shared.database import Session
from shared.events import targeting
from shared.events.coupons import CouponIssued, CouponRedeemed, CouponRefused, CouponWithheld, RedemptionRolledBack
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, VisitsRecorded
from shared.events.segmentation import LifecycleStageChanged
from shared.events.targeting import CampaignUpdated, DecisionMade


async def record_orders(session: Session, events: Iterable[OrderPaid | OrderRefunded | OrderCancelled]) -> None:
    """The orders are as their highest version says."""
    orders = [
        facts.Order(
            told.shop_id,
            told.order_id,
            told.version,
            told.customer_id,
            told.currency,
            told.amount,
            told.refunded_amount,
            told.counted,
            told.paid_at,
        )
        for told in (event.data for event in events)
    ]
    await repository.upsert_orders(session, orders)


async def record_visits(session: Session, events: Iterable[VisitsRecorded]) -> None:
    """It is known that these customers came, and when."""
    told = {(visit.customer_id, visit.visited_at) for event in events for visit in event.data.visits}
    await repository.add_visits(session, sorted(told))


async def record_stages(session: Session, events: Iterable[LifecycleStageChanged]) -> None:
    """The customers are in the stage that the latest tick found them in; steps of the past change nothing (MT15)."""
    stages = [
        facts.Stage(told.model, told.customer_id, told.decided_at, told.caused_at, told.change_id, told.to_stage)
        for told in (event.data for event in events)
        if told.current
    ]
    if stages:
        await repository.upsert_stages(session, stages)


async def record_campaigns(session: Session, events: Iterable[CampaignUpdated]) -> None:
    """The campaigns are as their highest version says."""
    campaigns = [
        facts.Campaign(
            told.campaign_id,
            told.version,
            told.name,
            told.goal,
            told.business_line,
            told.status,
            told.channel,
            told.template_id,
            told.attribution_days,
            told.starts_at,
            told.ends_at,
        )
        for told in (event.data for event in events)
    ]
    await repository.upsert_campaigns(session, campaigns)


async def record_decisions(session: Session, events: Iterable[DecisionMade]) -> None:
    """The decisions are known as targeting made them, and so is that their campaigns exist."""
    heard = [event.data for event in events]
    decisions = [
        facts.Decision(
            told.campaign_id,
            told.customer_id,
            told.decision_id,
            told.arm,
            told.reasons[0] if told.reasons else "unstated",
            told.stage,
            told.decided_at,
            told.offer.attribution_days,
        )
        for told in heard
    ]
    await repository.upsert_campaigns(session, [_campaign_of(told) for told in heard])
    await repository.upsert_decisions(session, decisions)


def _campaign_of(told: targeting.Decision) -> facts.Campaign:
    """What a decision tells of its campaign, for as long as the campaign itself has told nothing."""
    offer = told.offer
    return facts.Campaign(
        told.campaign_id,
        facts.heard_version(told.campaign_version),
        None,
        offer.goal,
        None,
        None,
        offer.channel,
        offer.template_id,
        offer.attribution_days,
    )


async def record_coupons(session: Session, events: Iterable[CouponIssued]) -> None:
    """The coupons are known, and their decisions as treated."""
    heard = [event.data for event in events]
    coupons = [
        facts.Coupon(told.coupon_id, told.campaign_id, told.customer_id, told.channel, told.issued_at, told.valid_until)
        for told in heard
    ]
    await repository.add_coupons(session, coupons)
    outcomes = [facts.Outcome(told.campaign_id, told.customer_id, told.decision_id, "issued", None) for told in heard]
    await repository.upsert_outcomes(session, outcomes)


async def record_refusals(
    session: Session, events: Iterable[CouponWithheld | CouponRefused], outcome: Literal["withheld", "refused"]
) -> None:
    """The decisions are known as held out, or as suppressed with the code of the refusal."""
    outcomes = [
        facts.Outcome(told.campaign_id, told.customer_id, told.decision_id, outcome, told.code)
        for told in (event.data for event in events)
    ]
    await repository.upsert_outcomes(session, outcomes)


async def record_redemptions(
    session: Session, events: Iterable[CouponRedeemed | RedemptionRolledBack], *, rolled_back: bool
) -> None:
    """The redemptions are known; one that was rolled back stands no more, even if that is heard before it was made."""
    redemptions = [
        facts.Redemption(
            told.redemption_id,
            told.coupon_id,
            told.campaign_id,
            told.customer_id,
            told.channel,
            told.shop_id,
            told.order_id,
            told.currency,
            told.platform,
            told.merchant,
            rolled_back,
        )
        for told in (event.data for event in events)
    ]
    await repository.upsert_redemptions(session, redemptions)
