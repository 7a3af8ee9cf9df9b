"""What callers of profile's HTTP API get."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.profile.domain import Label, label


class SpendAnswer(BaseModel):
    """Counted orders in one currency; the amount is in minor units, refunds subtracted."""

    currency: str
    orders: int
    paid_amount: int


class CustomerAnswer(BaseModel):
    customer_id: str
    platform: str
    source_id: str | None
    anonymous_id: str | None
    label: Label = Field(description="`old` once there is a counted order")
    member: bool
    orders: int
    spend: list[SpendAnswer]
    first_order_at: datetime | None
    last_order_at: datetime | None
    visits: int
    first_visit_at: datetime | None
    last_visit_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: Any, spend: list[Any]) -> "CustomerAnswer":
        return cls(
            **{name: row[name] for name in _SAME},
            label=label(row["orders"]),
            member=row["member"] or False,
            spend=[SpendAnswer(**dict(each, customer_id=None)) for each in spend],
        )


_SAME = (
    "customer_id",
    "platform",
    "source_id",
    "anonymous_id",
    "orders",
    "first_order_at",
    "last_order_at",
    "visits",
    "first_visit_at",
    "last_visit_at",
    "version",
)


class OrderAnswer(BaseModel):
    """An order as all its events together tell it; amounts in minor units of `currency`."""

    shop_id: str
    order_id: str
    customer_id: str
    currency: str | None
    total: int | None
    refunded_amount: int
    counted: bool = Field(description="paid, not cancelled, not wholly refunded")
    paid_at: datetime | None
    cancelled_at: datetime | None
    coupons: list[str]
    channel: str | None
