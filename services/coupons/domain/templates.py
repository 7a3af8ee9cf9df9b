"""What a coupon is worth, and when it may be given and used. Rows CP1, CP2, CP5, CP9, CP10, CP13."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.coupons.errors import TemplateInvalid


class DiscountType(StrEnum):
    AMOUNT_OFF = "amount_off"
    PERCENT_OFF = "percent_off"
    AS_REPORTED = "as_reported"


class ValidityType(StrEnum):
    STATIC = "static"
    RELATIVE = "relative"


@dataclass(frozen=True, slots=True)
class Discount:
    """CP1: `amount` minor units off, or `percent` of the order's amount up to `cap`, or what the storefront reports."""

    type: DiscountType
    currency: str
    amount: int | None = None
    percent: int | None = None
    cap: int | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """CP10: when a coupon may be used: between two instants, or for `days` of 24 h from when it is issued."""

    type: ValidityType
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    days: int | None = None
    may_outlive_template: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a template. Coupons are issued during `[starts_at, ends_at)` (CP9); None means no limit."""

    name: str
    kind: str
    discount: Discount
    validity: Validity
    minimum_spend: int | None = None
    shops: tuple[str, ...] | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    uses: int | None = 1
    quantity: int | None = None
    # Of each discount, in percent; the merchant bears the rest. None where the storefront reports who bears what.
    platform_share: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """CP13: a discount and who bears it."""

    platform: int
    merchant: int

    @property
    def amount(self) -> int:
        return self.platform + self.merchant


@dataclass(frozen=True, slots=True)
class Template:
    """A template as its newest version says; `issued` counts the coupons of all its versions."""

    template_id: str
    version: int
    definition: Definition
    issued: int
    created_at: datetime
    archived_at: datetime | None


def check_definition(definition: Definition) -> None:
    """Raises TemplateInvalid where fields that are sound by themselves contradict each other."""
    if not _ordered(definition.starts_at, definition.ends_at):
        raise TemplateInvalid("ends_at must be later than starts_at", pointer="/ends_at")
    if not _ordered(definition.validity.starts_at, definition.validity.ends_at):
        raise TemplateInvalid("ends_at must be later than starts_at", pointer="/validity/ends_at")
    if definition.discount.type is DiscountType.AS_REPORTED and definition.platform_share is not None:
        raise TemplateInvalid("the storefront reports who bears an as_reported discount", pointer="/subsidy")


def _ordered(starts_at: datetime | None, ends_at: datetime | None) -> bool:
    return starts_at is None or ends_at is None or starts_at < ends_at


def is_claimable(definition: Definition, at: datetime) -> bool:
    """CP9: whether a coupon may be issued at this instant; one that nobody could ever use may not."""
    started = definition.starts_at is None or definition.starts_at <= at
    ended = definition.ends_at is not None and definition.ends_at <= at
    return started and not ended and at < use_window(definition, at)[1]


def use_window(definition: Definition, issued_at: datetime) -> tuple[datetime, datetime]:
    """CP10: `[from, until)` of a coupon issued now; its days end with the template unless they may outlive it."""
    validity = definition.validity
    if validity.starts_at is not None and validity.ends_at is not None:
        return max(issued_at, validity.starts_at), validity.ends_at
    until = issued_at + timedelta(days=validity.days or 0)
    if definition.ends_at is not None and not validity.may_outlive_template:
        until = min(until, definition.ends_at)
    return issued_at, until


def discount_on(definition: Definition, amount: int) -> Split:
    """The discount on an order of this amount, never more than it; the platform's share is rounded down (CP13)."""
    discount = definition.discount
    if discount.type is DiscountType.PERCENT_OFF:
        off = amount * (discount.percent or 0) // 100
        off = off if discount.cap is None else min(off, discount.cap)
    else:
        off = min(discount.amount or 0, amount)
    share = 100 if definition.platform_share is None else definition.platform_share
    platform = off * share // 100
    return Split(platform, off - platform)
