"""What coupons tells: the life of Anna's coupon, and of those who got none."""

from datetime import datetime, timedelta
from typing import Any

from shared.events import coupons as c
from tools.contracts.samples import story


def _refusal(verb: str, decision_id: str, customer_id: str, **more: Any) -> dict[str, Any]:
    data = c.Refusal(
        decision_id=decision_id,
        campaign_id=story.CAMPAIGN,
        customer_id=customer_id,
        channel="sms",
        decided_at=story.TICK,
        **more,
    )
    return story.of("coupons", f"{decision_id}:{verb}", story.TICK, data, subject=customer_id)


def _redemption(verb: str, at: datetime, rolled_back_at: datetime | None = None) -> dict[str, Any]:
    data = c.Redemption(
        redemption_id=story.REDEMPTION,
        coupon_id=story.COUPON,
        code=story.CODE,
        campaign_id=story.CAMPAIGN,
        customer_id=story.ANNA,
        channel="sms",
        shop_id=story.SHOP,
        order_id=story.SECOND,
        reference="",
        currency="CNY",
        platform=600,
        merchant=400,
        redeemed_at=story.PAID,
        rolled_back_at=rolled_back_at,
    )
    return story.of("coupons", f"{story.REDEMPTION}:{verb}", at, data)


_ROLLED_BACK = story.CANCELLED + timedelta(seconds=72)
EVENTS = (
    c.CouponIssued(
        **story.of(
            "coupons",
            f"{story.COUPON}:issued",
            story.TICK,
            c.Coupon(
                coupon_id=story.COUPON,
                code=story.CODE,
                decision_id=story.DECISION,
                campaign_id=story.CAMPAIGN,
                customer_id=story.ANNA,
                template_id=story.TEMPLATE,
                template_version=1,
                kind="amount-off",
                channel="sms",
                issued_at=story.TICK,
                valid_from=story.TICK,
                valid_until=story.VALID_UNTIL,
                uses=1,
            ),
        )
    ),
    c.CouponWithheld(**_refusal("withheld", story.BEAS, story.BEA, arm="held_out")),
    c.CouponRefused(**_refusal("refused", story.CARLS, story.CARL, arm="treated", code="same-kind-too-soon")),
    c.CouponRedeemed(**_redemption("redeemed", story.PAID)),
    c.RedemptionRolledBack(**_redemption("rolled_back", _ROLLED_BACK, _ROLLED_BACK)),
    c.CouponExpired(
        **story.of(
            "coupons",
            f"{story.COUPON}:expired",
            story.VALID_UNTIL,
            c.Expiry(
                coupon_id=story.COUPON,
                code=story.CODE,
                campaign_id=story.CAMPAIGN,
                customer_id=story.ANNA,
                channel="sms",
                expired_at=story.VALID_UNTIL,
            ),
        )
    ),
)
