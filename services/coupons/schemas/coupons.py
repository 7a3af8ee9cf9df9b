"""Issued coupons over HTTP."""

from datetime import datetime

from pydantic import BaseModel, Field

from services.coupons.domain import Coupon, Status
from services.coupons.schemas.templates import Discount, discount_of


class CouponAnswer(BaseModel):
    """A coupon, by the template's version that it was issued from; valid during `[valid_from, valid_until)`."""

    coupon_id: str
    code: str
    customer_id: str
    campaign_id: str
    decision_id: str
    template_id: str
    template_version: int
    kind: str
    channel: str
    issued_at: datetime
    valid_from: datetime
    valid_until: datetime
    uses: int | None = Field(description="how often it may be used; null: any number of times")
    used: int = Field(description="redemptions that were not rolled back")
    status: Status = Field(description="as of now")
    discount: Discount
    minimum_spend: int | None
    shops: list[str] | None

    @classmethod
    def of(cls, shown: tuple[Coupon, Status]) -> "CouponAnswer":
        coupon, status = shown
        definition = coupon.definition
        return cls(
            **{name: getattr(coupon, name) for name in _SAME},
            status=status,
            discount=discount_of(definition),
            minimum_spend=definition.minimum_spend,
            shops=None if definition.shops is None else list(definition.shops),
        )


_SAME = tuple(
    name for name in CouponAnswer.model_fields if name not in ("status", "discount", "minimum_spend", "shops")
)
