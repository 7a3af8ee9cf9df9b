"""Whether a coupon may be used on an order, and what that is worth. Rows CP1, CP2, CP5, CP10, CP13."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.coupons.domain.templates import Definition, DiscountType, Split, discount_on
from services.coupons.errors import UseRefused


class Status(StrEnum):
    """What a coupon is at an instant. For showing only: no rule asks for it."""

    USABLE = "usable"
    USED_UP = "used_up"
    EXPIRED = "expired"
    NOT_ACTIVE_YET = "not_active_yet"


@dataclass(frozen=True, slots=True)
class Coupon:
    """An issued coupon; `used` counts its standing redemptions, `definition` is the version it was issued from."""

    coupon_id: str
    code: str
    decision_id: str
    campaign_id: str
    customer_id: str
    template_id: str
    template_version: int
    kind: str
    channel: str
    issued_at: datetime
    valid_from: datetime
    valid_until: datetime
    uses: int | None
    used: int
    definition: Definition

    @property
    def is_used_up(self) -> bool:
        return self.uses is not None and self.used >= self.uses


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody wants to use a coupon on; `customer_id` and `reported` (the discount) as far as they said so."""

    code: str
    customer_id: str | None
    shop_id: str
    order_id: str
    reference: str
    amount: int
    currency: str
    at: datetime
    reported: Split | None = None


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether a use would be accepted: its discount as far as it is known, or the rule that forbids it."""

    discount: Split | None = None
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a coupon. Redeeming again after a rollback is another `attempt` at the same natural key."""

    redemption_id: str
    coupon_id: str
    code: str
    campaign_id: str
    customer_id: str
    channel: str
    shop_id: str
    order_id: str
    reference: str
    attempt: int
    amount: int
    currency: str
    platform: int
    merchant: int
    redeemed_at: datetime
    # A paid order named the code, and nobody has reported this use over HTTP so far.
    by_order: bool
    rolled_back_at: datetime | None = None

    @property
    def stands(self) -> bool:
        return self.rolled_back_at is None

    @property
    def given(self) -> Split:
        return Split(self.platform, self.merchant)


def redemption_of(
    coupon: Coupon, use: Use, given: Split, redemption_id: str, *, attempt: int = 1, by_order: bool = False
) -> Redemption:
    return Redemption(
        redemption_id=redemption_id,
        coupon_id=coupon.coupon_id,
        code=coupon.code,
        campaign_id=coupon.campaign_id,
        customer_id=coupon.customer_id,
        channel=coupon.channel,
        shop_id=use.shop_id,
        order_id=use.order_id,
        reference=use.reference,
        attempt=attempt,
        amount=use.amount,
        currency=use.currency,
        platform=given.platform,
        merchant=given.merchant,
        redeemed_at=use.at,
        by_order=by_order,
    )


def normalise(code: str) -> str:
    """A code as we keep it, however it was typed."""
    return code.strip().replace("-", "").upper()


def check_owner(coupon: Coupon, use: Use) -> None:
    """Raises UseRefused when it is somebody else's coupon; who does not say whose order it is may use any."""
    if use.customer_id is not None and use.customer_id != coupon.customer_id:
        raise UseRefused("this coupon was given to another customer", code="wrong-customer", pointer="/code")


def check_use(coupon: Coupon, use: Use) -> None:
    """Raises UseRefused with the code of the first rule that forbids this use."""
    _check_time(coupon, use.at)
    _check_order(coupon.definition, use)
    _check_uses(coupon)


def _check_time(coupon: Coupon, at: datetime) -> None:
    if at < coupon.valid_from:
        detail = f"this coupon is valid from {coupon.valid_from.isoformat()}"
        raise UseRefused(detail, code="coupon-not-active-yet", pointer="/code")
    if at >= coupon.valid_until:
        detail = f"this coupon was valid until {coupon.valid_until.isoformat()}"
        raise UseRefused(detail, code="coupon-expired", pointer="/code")


def _check_order(definition: Definition, use: Use) -> None:
    if definition.shops is not None and use.shop_id not in definition.shops:
        raise UseRefused("this coupon is not for this shop", code="shop-not-eligible", pointer="/shop_id")
    if use.currency != definition.discount.currency:
        detail = f"this coupon is in {definition.discount.currency}"
        raise UseRefused(detail, code="currency-mismatch", pointer="/currency")
    if definition.minimum_spend is not None and use.amount < definition.minimum_spend:
        detail = f"this coupon is for orders of {definition.minimum_spend} minor units or more"
        raise UseRefused(detail, code="minimum-spend-not-met", pointer="/amount")


def _check_uses(coupon: Coupon) -> None:
    if coupon.is_used_up:
        code = "coupon-already-redeemed" if coupon.uses == 1 else "quantity-exceeded"
        raise UseRefused(f"this coupon may be used {coupon.uses} times, and was", code=code, pointer="/code")


def discount_of(definition: Definition, use: Use) -> Split:
    """What this use is worth; raises UseRefused when the storefront must say so and does not, or must not and does."""
    if definition.discount.type is not DiscountType.AS_REPORTED:
        if use.reported is not None:
            detail = "this coupon's template says what it is worth"
            raise UseRefused(detail, code="discount-not-expected", pointer="/discount")
        return discount_on(definition, use.amount)
    if use.reported is None:
        detail = "this coupon is worth what the storefront reports: say how much, and who bears it"
        raise UseRefused(detail, code="discount-required", pointer="/discount")
    return use.reported
