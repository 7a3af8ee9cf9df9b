"""What coupons tells: each coupon's life, with the channel code. Listened to by targeting, metrics and storefronts."""

from typing import Literal

from shared.events.envelope import Count, Currency, Data, Event, Instant, Minor, Text


class Coupon(Data, frozen=True, kw_only=True):
    """An issued coupon; valid during `[valid_from, valid_until)`; without `uses` it may be used any number of times."""

    coupon_id: Text
    code: Text
    decision_id: Text
    campaign_id: Text
    customer_id: Text
    template_id: Text
    template_version: Count
    kind: Text
    channel: Text
    issued_at: Instant
    valid_from: Instant
    valid_until: Instant
    uses: Count | None = None


class Refusal(Data, frozen=True, kw_only=True):
    """An offer that was not delivered: `arm` is what targeting had decided, `code` why nothing was issued."""

    decision_id: Text
    campaign_id: Text
    customer_id: Text
    channel: Text
    arm: Literal["treated", "held_out"]
    decided_at: Instant
    code: Text | None = None


class Redemption(Data, frozen=True, kw_only=True):
    """One use of a coupon on an order; `platform` and `merchant` are the discount given and who bears it."""

    redemption_id: Text
    coupon_id: Text
    code: Text
    campaign_id: Text
    customer_id: Text
    channel: Text
    shop_id: Text
    order_id: Text
    reference: str
    currency: Currency
    platform: Minor
    merchant: Minor
    redeemed_at: Instant
    rolled_back_at: Instant | None = None


class Expiry(Data, frozen=True, kw_only=True):
    coupon_id: Text
    code: Text
    campaign_id: Text
    customer_id: Text
    channel: Text
    expired_at: Instant


class CouponIssued(Event, frozen=True, kw_only=True, tag="com.comeback.coupon.issued.v1"):
    """A customer was given a coupon."""

    data: Coupon


class CouponWithheld(Event, frozen=True, kw_only=True, tag="com.comeback.coupon.withheld.v1"):
    """A held-out customer would have been given a coupon."""

    data: Refusal


class CouponRefused(Event, frozen=True, kw_only=True, tag="com.comeback.coupon.refused.v1"):
    """A rule of the last check forbade a coupon."""

    data: Refusal


class CouponRedeemed(Event, frozen=True, kw_only=True, tag="com.comeback.coupon.redeemed.v1"):
    """A coupon was used on an order."""

    data: Redemption


class RedemptionRolledBack(Event, frozen=True, kw_only=True, tag="com.comeback.redemption.rolled_back.v1"):
    """A use of a coupon was undone."""

    data: Redemption


class CouponExpired(Event, frozen=True, kw_only=True, tag="com.comeback.coupon.expired.v1"):
    """A coupon's validity ended."""

    data: Expiry


EVENTS: tuple[type[Event], ...] = (
    CouponIssued,
    CouponWithheld,
    CouponRefused,
    CouponRedeemed,
    RedemptionRolledBack,
    CouponExpired,
)
