"""Templates over HTTP. Rows CP1, CP2, CP5, CP9, CP10, CP13."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from services.coupons import domain
from shared.http.fields import Currency, Instant, Minor, Model, Text


def _each_once(shops: list[str]) -> list[str]:
    return sorted(set(shops))


Percent = Annotated[int, Field(ge=0, le=100)]
Shops = Annotated[list[Text], Field(min_length=1, max_length=1000), AfterValidator(_each_once)]
Positive = Annotated[int, Field(ge=1, le=2**53 - 1)]


class AmountOff(Model):
    """A fixed amount, but never more than the order's."""

    type: Literal["amount_off"]
    amount: Annotated[Minor, Field(gt=0)]
    currency: Currency


class PercentOff(Model):
    """Whole percent of the order's amount, rounded down to the minor unit, up to `cap`."""

    type: Literal["percent_off"]
    percent: Annotated[int, Field(ge=1, le=100)]
    cap: Annotated[Minor, Field(gt=0)] | None = None
    currency: Currency


class AsReported(Model):
    """Whatever the storefront says it gave: each redemption brings its `discount {platform, merchant}`."""

    type: Literal["as_reported"]
    currency: Currency


class StaticValidity(Model):
    """A coupon may be used during `[starts_at, ends_at)`, and not before it is issued."""

    type: Literal["static"]
    starts_at: Instant
    ends_at: Instant


class RelativeValidity(Model):
    """A coupon may be used for `days` of 24 h after it is issued, but not longer than the template unless it may."""

    type: Literal["relative"]
    days: Annotated[int, Field(ge=1, le=3650)]
    may_outlive_template: bool = False


class Subsidy(Model):
    """Who bears the discount, in percent. The platform's part is rounded down, the merchant bears the rest."""

    platform_share: Percent
    merchant_share: Percent

    @model_validator(mode="after")
    def _whole(self) -> "Subsidy":
        if self.platform_share + self.merchant_share != 100:
            raise ValueError("platform_share and merchant_share must be 100 together")
        return self


Discount = Annotated[AmountOff | PercentOff | AsReported, Field(discriminator="type")]
Validity = Annotated[StaticValidity | RelativeValidity, Field(discriminator="type")]

_EXAMPLE: JsonDict = {
    "name": "10 % for who comes back",
    "kind": "comeback",
    "discount": {"type": "percent_off", "percent": 10, "cap": 2000, "currency": "USD"},
    "minimum_spend": 3000,
    "validity": {"type": "relative", "days": 14},
    "uses": 1,
    "subsidy": {"platform_share": 70, "merchant_share": 30},
}


class TemplateBody(Model):
    """What a coupon is worth, where and when it may be used, and who bears it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Text
    kind: Text = Field(description="coupons of one kind keep each other away for a while (AH2)")
    discount: Discount
    minimum_spend: Minor | None = Field(None, description="the least amount of an order, in minor units")
    shops: Shops | None = Field(None, description="where it may be used; absent: everywhere")
    starts_at: Instant | None = Field(None, description="coupons are issued from here on")
    ends_at: Instant | None = Field(None, description="coupons are issued until here")
    validity: Validity
    uses: Positive | None = Field(1, description="how often one coupon may be used; null: any number of times")
    quantity: Minor | None = Field(None, description="how many coupons may be issued in all")
    subsidy: Subsidy | None = Field(None, description="absent: the platform bears all; not for as_reported")

    def definition(self) -> domain.Definition:
        return domain.Definition(**{_name(field): _value(getattr(self, field)) for field in TemplateBody.model_fields})


# A default is not validated: what has this one may be absent, but not null.
_ABSENT: Any = None


class TemplateChange(Model):
    """The fields to change; the others stay as they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"quantity": 500}]})

    name: Text = _ABSENT
    kind: Text = _ABSENT
    discount: Discount = _ABSENT
    minimum_spend: Minor | None = None
    shops: Shops | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    validity: Validity = _ABSENT
    uses: Positive | None = None
    quantity: Minor | None = None
    subsidy: Subsidy | None = None

    def changes(self) -> dict[str, Any]:
        return {_name(field): _value(getattr(self, field)) for field in self.model_fields_set}


def _name(field: str) -> str:
    return "platform_share" if field == "subsidy" else field


def _value(value: Any) -> Any:
    """A field as the domain has it."""
    match value:
        case AmountOff() | PercentOff() | AsReported():
            return domain.Discount(**_fields(value, type=domain.DiscountType(value.type)))
        case StaticValidity() | RelativeValidity():
            return domain.Validity(**_fields(value, type=domain.ValidityType(value.type)))
        case Subsidy():
            return value.platform_share
        case list():
            return tuple(cast(list[str], value))
        case _:
            return value


def _fields(model: Model, **instead: Any) -> dict[str, Any]:
    return {**model.model_dump(), **instead}


class TemplateAnswer(BaseModel):
    """A template as its newest version says; `issued` counts the coupons of all its versions."""

    template_id: str
    version: int
    issued: int
    created_at: datetime
    archived_at: datetime | None
    name: str
    kind: str
    discount: Discount
    minimum_spend: int | None
    shops: list[str] | None
    starts_at: datetime | None
    ends_at: datetime | None
    validity: Validity
    uses: int | None
    quantity: int | None
    subsidy: Subsidy | None

    @classmethod
    def of(cls, template: domain.Template) -> "TemplateAnswer":
        definition = template.definition
        return cls(
            template_id=template.template_id,
            version=template.version,
            issued=template.issued,
            created_at=template.created_at,
            archived_at=template.archived_at,
            name=definition.name,
            kind=definition.kind,
            discount=discount_of(definition),
            minimum_spend=definition.minimum_spend,
            shops=None if definition.shops is None else list(definition.shops),
            starts_at=definition.starts_at,
            ends_at=definition.ends_at,
            validity=_validity_of(definition.validity),
            uses=definition.uses,
            quantity=definition.quantity,
            subsidy=_subsidy_of(definition.platform_share),
        )


def discount_of(definition: domain.Definition) -> AmountOff | PercentOff | AsReported:
    discount = definition.discount
    match discount.type:
        case domain.DiscountType.AMOUNT_OFF:
            return AmountOff(type="amount_off", amount=discount.amount or 0, currency=discount.currency)
        case domain.DiscountType.PERCENT_OFF:
            percent = discount.percent or 0
            return PercentOff(type="percent_off", percent=percent, cap=discount.cap, currency=discount.currency)
        case domain.DiscountType.AS_REPORTED:
            return AsReported(type="as_reported", currency=discount.currency)


def _validity_of(validity: domain.Validity) -> StaticValidity | RelativeValidity:
    if validity.starts_at is not None and validity.ends_at is not None:
        return StaticValidity(type="static", starts_at=validity.starts_at, ends_at=validity.ends_at)
    return RelativeValidity(
        type="relative", days=validity.days or 0, may_outlive_template=validity.may_outlive_template
    )


def _subsidy_of(platform_share: int | None) -> Subsidy | None:
    if platform_share is None:
        return None
    return Subsidy(platform_share=platform_share, merchant_share=100 - platform_share)
