"""Uses of coupons over HTTP."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from services.coupons import domain
from shared.http.fields import Currency, LongText, Minor, Model, Text

Reference = Annotated[LongText, Field(max_length=256)]

_USE: JsonDict = {"code": "7KQM-2XPD-R4TN-9HB", "shop_id": "s1", "order_id": "o1001", "amount": 5000, "currency": "USD"}


class Reported(Model):
    """A discount as the storefront gave it, by who bears it."""

    platform: Minor
    merchant: Minor


class RedemptionBody(Model):
    """A coupon used on an order. The natural key is (shop_id, order_id, code, reference)."""

    model_config = ConfigDict(json_schema_extra={"examples": [_USE]})

    code: Text
    shop_id: Text
    order_id: Text
    reference: Reference = Field("", description="parts several uses of one coupon on one order")
    amount: Minor = Field(description="of the order, before this discount")
    currency: Currency
    customer_id: Text | None = Field(None, description="whose order it is: only the coupon's owner may use it")
    source_id: Text | None = Field(None, description="the same by the shop's own id")
    platform: Text = Field("web", description="the id space of `source_id`")
    discount: Reported | None = Field(None, description="required by as_reported templates, refused by all others")

    def use(self, customer_id: str | None, now: datetime) -> domain.Use:
        """`customer_id` is whoever the body means."""
        discount = self.discount
        return domain.Use(
            code=domain.normalise(self.code),
            customer_id=customer_id,
            shop_id=self.shop_id,
            order_id=self.order_id,
            reference=self.reference,
            amount=self.amount,
            currency=self.currency,
            at=now,
            reported=None if discount is None else domain.Split(discount.platform, discount.merchant),
        )


class ValidationBody(RedemptionBody):
    """A use that is only asked about."""

    order_id: Text = Field("", description="with the order, a use that it has made already is valid again")


class DiscountAnswer(BaseModel):
    amount: int = Field(description="platform + merchant, in minor units")
    platform: int
    merchant: int

    @classmethod
    def of(cls, split: domain.Split) -> "DiscountAnswer":
        return cls(amount=split.amount, platform=split.platform, merchant=split.merchant)


class ValidationAnswer(BaseModel):
    """Whether this use would be accepted now; nothing is held."""

    valid: bool
    code: str = Field(description="the coupon's code as we keep it")
    reason: str | None = Field(description="the code of the rule that forbids it")
    detail: str | None
    discount: DiscountAnswer | None = Field(description="null when invalid, or for as_reported without a discount")

    @classmethod
    def of(cls, code: str, validation: domain.Validation) -> "ValidationAnswer":
        return cls(
            valid=validation.reason is None,
            code=code,
            reason=validation.reason,
            detail=validation.detail,
            discount=DiscountAnswer.of(validation.discount) if validation.discount else None,
        )


class RedemptionAnswer(BaseModel):
    """One use of a coupon; rolled back, it does not count any more."""

    redemption_id: str
    coupon_id: str
    code: str
    campaign_id: str
    customer_id: str
    channel: str
    shop_id: str
    order_id: str
    reference: str
    amount: int
    currency: str
    discount: DiscountAnswer
    redeemed_at: datetime
    rolled_back_at: datetime | None

    @classmethod
    def of(cls, redemption: domain.Redemption) -> "RedemptionAnswer":
        same: dict[str, Any] = {name: getattr(redemption, name) for name in _SAME}
        return cls(**same, discount=DiscountAnswer.of(redemption.given))


_SAME = tuple(name for name in RedemptionAnswer.model_fields if name != "discount")
