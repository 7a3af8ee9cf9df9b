"""The events of a coupon's life (CP14): each keyed by its customer, with the channel code and an id that repeats."""

from datetime import datetime
from typing import Any

from services.coupons.domain import TREATED, Answer, Coupon, Outcome, Redemption
from shared.events import Event
from shared.events import coupons as events

Told = tuple[str, Event]


def issued(coupon: Coupon) -> Told:
    return coupon.customer_id, events.CouponIssued(
        id=f"{coupon.coupon_id}:issued",
        source="coupons",
        subject=coupon.customer_id,
        time=coupon.issued_at,
        data=events.Coupon(
            coupon_id=coupon.coupon_id,
            code=coupon.code,
            decision_id=coupon.decision_id,
            campaign_id=coupon.campaign_id,
            customer_id=coupon.customer_id,
            template_id=coupon.template_id,
            template_version=coupon.template_version,
            kind=coupon.kind,
            channel=coupon.channel,
            issued_at=coupon.issued_at,
            valid_from=coupon.valid_from,
            valid_until=coupon.valid_until,
            uses=coupon.uses,
        ),
    )


def not_issued(answer: Answer, at: datetime) -> Told:
    """`coupon.withheld` or `coupon.refused`: what became of a decision at the tick `at`."""
    decision = answer.decision
    event = events.CouponWithheld if answer.outcome is Outcome.WITHHELD else events.CouponRefused
    return decision.customer_id, event(
        id=f"{decision.decision_id}:{answer.outcome}",
        source="coupons",
        subject=decision.customer_id,
        time=at,
        data=events.Refusal(
            decision_id=decision.decision_id,
            campaign_id=decision.campaign_id,
            customer_id=decision.customer_id,
            channel=decision.channel,
            arm="treated" if decision.arm == TREATED else "held_out",
            decided_at=decision.decided_at,
            code=answer.code,
        ),
    )


def redeemed(redemption: Redemption) -> Told:
    return redemption.customer_id, events.CouponRedeemed(
        id=f"{redemption.redemption_id}:redeemed",
        source="coupons",
        subject=redemption.customer_id,
        time=redemption.redeemed_at,
        data=_redemption(redemption),
    )


def rolled_back(redemption: Redemption) -> Told:
    return redemption.customer_id, events.RedemptionRolledBack(
        id=f"{redemption.redemption_id}:rolled_back",
        source="coupons",
        subject=redemption.customer_id,
        time=redemption.rolled_back_at or redemption.redeemed_at,
        data=_redemption(redemption),
    )


def _redemption(redemption: Redemption) -> events.Redemption:
    return events.Redemption(
        redemption_id=redemption.redemption_id,
        coupon_id=redemption.coupon_id,
        code=redemption.code,
        campaign_id=redemption.campaign_id,
        customer_id=redemption.customer_id,
        channel=redemption.channel,
        shop_id=redemption.shop_id,
        order_id=redemption.order_id,
        reference=redemption.reference,
        currency=redemption.currency,
        platform=redemption.platform,
        merchant=redemption.merchant,
        redeemed_at=redemption.redeemed_at,
        rolled_back_at=redemption.rolled_back_at,
    )


def expired(row: Any) -> Told:
    """`row` is a coupon; it expired at the end of its validity, whichever tick noticed."""
    return row["customer_id"], events.CouponExpired(
        id=f"{row['coupon_id']}:expired",
        source="coupons",
        subject=row["customer_id"],
        time=row["valid_until"],
        data=events.Expiry(
            coupon_id=row["coupon_id"],
            code=row["code"],
            campaign_id=row["campaign_id"],
            customer_id=row["customer_id"],
            channel=row["channel"],
            expired_at=row["valid_until"],
        ),
    )
