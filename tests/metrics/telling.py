"""What the other services tell, made by hand: one function for each event, with as little said as possible."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from shared.events.coupons import (
    Coupon,
    CouponIssued,
    CouponRedeemed,
    CouponRefused,
    CouponWithheld,
    Redemption,
    RedemptionRolledBack,
    Refusal,
)
from shared.events.profile import OrderPaid, OrderRefunded, OrderState, VisitFact, Visits, VisitsRecorded
from shared.events.segmentation import LifecycleStageChanged, StageChange
from shared.events.targeting import Arm, Campaign, CampaignUpdated, Decision, DecisionMade, Offer

T0 = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def day(days: float) -> datetime:
    return T0 + days * DAY


def _order(
    key: str, at: datetime, customer: str, amount: int, refunded: int, version: int, counted: bool | None, **more: Any
) -> OrderState:
    fields: dict[str, Any] = {"currency": "USD", "shop_id": "s1"} | more
    return OrderState(
        order_key=f"ord_{key}",
        version=version,
        customer_id=customer,
        order_id=key,
        amount=amount,
        refunded_amount=refunded,
        counted=refunded < amount if counted is None else counted,
        paid_at=at,
        **fields,
    )


def paid(
    key: str,
    at: datetime,
    customer: str = "anna",
    amount: int = 1000,
    *,
    version: int = 1,
    counted: bool = True,
    **more: Any,
) -> OrderPaid:
    data = _order(key, at, customer, amount, 0, version, counted, **more)
    return OrderPaid(id=f"{key}:{version}", source="profile", time=at, data=data)


def refunded(
    key: str, at: datetime, refund: int, customer: str = "anna", amount: int = 1000, *, version: int = 2, **more: Any
) -> OrderRefunded:
    """`at` is when the order was paid; a refund of all of it takes the order out of the count."""
    data = _order(key, at, customer, amount, refund, version, None, **more)
    return OrderRefunded(id=f"{key}:{version}", source="profile", time=at, data=data)


def visited(at: datetime, customer: str = "anna") -> VisitsRecorded:
    key = f"{customer}@{at.isoformat()}"
    return VisitsRecorded(
        id=key,
        source="profile",
        time=at,
        data=Visits(visits=[VisitFact(visit_id=key, customer_id=customer, shop_id="s1", visited_at=at)]),
    )


def staged(
    stage: str | None, at: datetime, customer: str = "anna", *, current: bool = True, model: str = "default"
) -> LifecycleStageChanged:
    key = f"{model}:{customer}:{at.isoformat()}:{stage}"
    return LifecycleStageChanged(
        id=key,
        source="segmentation",
        time=at,
        data=StageChange(
            change_id=key,
            customer_id=customer,
            model=model,
            model_version=1,
            caused_at=at,
            decided_at=at,
            current=current,
            to_stage=stage,
        ),
    )


def campaign(campaign_id: str = "c1", version: int = 1, goal: str = "recall", **more: Any) -> CampaignUpdated:
    fields: dict[str, Any] = {"name": campaign_id, "status": "active", "channel": "push", "attribution_days": 14} | more
    data = Campaign(
        campaign_id=campaign_id, version=version, goal=goal, business_line="shop", template_id="tpl", **fields
    )
    return CampaignUpdated(id=f"{campaign_id}:{version}", source="targeting", time=T0, data=data)


def decided(
    key: str,
    at: datetime = T0,
    customer: str = "anna",
    arm: Arm = "treated",
    stage: str | None = "silent",
    *,
    campaign_id: str = "c1",
    days: int = 14,
    goal: str = "recall",
    reasons: list[str] | None = None,
) -> DecisionMade:
    offer = Offer(template_id="tpl", channel="push", goal=goal, priority=0, attribution_days=days, anti_harassment=True)
    return DecisionMade(
        id=key,
        source="targeting",
        time=at,
        data=Decision(
            decision_id=key,
            campaign_id=campaign_id,
            campaign_version=1,
            customer_id=customer,
            arm=arm,
            reasons=reasons or [],
            cause="stage",
            caused_at=at,
            decided_at=at,
            offer=offer,
            stage=stage,
        ),
    )


def issued(
    key: str,
    at: datetime = T0,
    customer: str = "anna",
    *,
    campaign_id: str = "c1",
    channel: str = "push",
    valid_days: float = 30,
) -> CouponIssued:
    """The coupon of the decision `key`."""
    data = Coupon(
        coupon_id=f"cpn_{key}",
        code=f"code_{key}",
        decision_id=key,
        campaign_id=campaign_id,
        customer_id=customer,
        template_id="tpl",
        template_version=1,
        kind="percent",
        channel=channel,
        issued_at=at,
        valid_from=at,
        valid_until=at + valid_days * DAY,
    )
    return CouponIssued(id=f"cpn_{key}", source="coupons", time=at, data=data)


def _refusal(
    key: str, at: datetime, customer: str, arm: Literal["treated", "held_out"], code: str | None, campaign_id: str
) -> Refusal:
    return Refusal(
        decision_id=key,
        campaign_id=campaign_id,
        customer_id=customer,
        channel="push",
        arm=arm,
        decided_at=at,
        code=code,
    )


def withheld(key: str, at: datetime = T0, customer: str = "anna", *, campaign_id: str = "c1") -> CouponWithheld:
    data = _refusal(key, at, customer, "held_out", None, campaign_id)
    return CouponWithheld(id=f"w_{key}", source="coupons", time=at, data=data)


def refused(
    key: str, at: datetime = T0, customer: str = "anna", code: str = "same-kind", *, campaign_id: str = "c1"
) -> CouponRefused:
    data = _refusal(key, at, customer, "treated", code, campaign_id)
    return CouponRefused(id=f"r_{key}", source="coupons", time=at, data=data)


def _redemption(key: str, order: str, coupon: str, customer: str, more: dict[str, Any]) -> Redemption:
    fields: dict[str, Any] = {"campaign_id": "c1", "channel": "push", "shop_id": "s1", "currency": "USD"}
    fields |= {"platform": 70, "merchant": 30, "redeemed_at": T0} | more
    return Redemption(
        redemption_id=key,
        coupon_id=f"cpn_{coupon}",
        code=f"code_{coupon}",
        customer_id=customer,
        order_id=order,
        reference=key,
        **fields,
    )


def redeemed(key: str, order: str, coupon: str, customer: str = "anna", **more: Any) -> CouponRedeemed:
    """A use of the coupon of the decision `coupon`."""
    return CouponRedeemed(id=key, source="coupons", time=T0, data=_redemption(key, order, coupon, customer, more))


def rolled_back(key: str, order: str, coupon: str, customer: str = "anna", **more: Any) -> RedemptionRolledBack:
    data = _redemption(key, order, coupon, customer, more | {"rolled_back_at": T0 + DAY})
    return RedemptionRolledBack(id=f"{key}:back", source="coupons", time=T0, data=data)
