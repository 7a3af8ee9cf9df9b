"""What callers get of the whole business."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.metrics.domain.definitions import Definition
from services.metrics.domain.figures import Brought, Forms
from services.metrics.domain.periods import By
from services.metrics.domain.statistics import Rate
from services.metrics.schemas.shapes import FormsAnswer, MoneyAnswer, RateAnswer, redemption_rate


class PeriodAnswer(BaseModel):
    """Sales of one period in one currency."""

    starts_on: str = Field(description="the local date on which the period begins", examples=["2017-01-01"])
    currency: str
    orders: int
    active_customers: int
    sales: MoneyAnswer
    aov: RateAnswer

    @classmethod
    def of(cls, row: Any) -> "PeriodAnswer":
        sales = int(row["sales"])
        return cls(
            starts_on=row["starts_on"],
            currency=row["currency"],
            orders=row["orders"],
            active_customers=row["active_customers"],
            sales=MoneyAnswer(amount=sales, currency=row["currency"]),
            aov=RateAnswer.of(Rate(sales, row["orders"])),
        )


class SalesAnswer(BaseModel):
    at: datetime
    by: By
    zone: str
    data: list[PeriodAnswer]


class StagesAnswer(BaseModel):
    """MT15: how many customers are in each lifecycle stage."""

    at: datetime
    counts: dict[str, int]


class CustomersAnswer(BaseModel):
    known: int
    buyers: int


class CouponsAnswer(BaseModel):
    issued: int
    redeemed: int
    expired: int


class CampaignsAnswer(BaseModel):
    total: int
    by_status: dict[str, int]


class OverviewAnswer(BaseModel):
    """The whole business as of the service's clock."""

    at: datetime
    customers: CustomersAnswer
    shops: int
    orders: int
    sales: list[MoneyAnswer] = Field(description="one amount for each currency")
    coupons: CouponsAnswer
    redemptions: int
    redemption_rate: FormsAnswer
    campaigns: CampaignsAnswer
    wake_up_rate: FormsAnswer

    @classmethod
    def of(
        cls,
        at: datetime,
        totals: Any,
        sales: dict[str, int],
        brought: Brought,
        statuses: dict[str, int],
        recalls: Forms,
    ) -> "OverviewAnswer":
        return cls(
            at=at,
            customers=CustomersAnswer(known=totals["known"], buyers=totals["buyers"]),
            shops=totals["shops"],
            orders=totals["orders"],
            sales=[MoneyAnswer(amount=amount, currency=currency) for currency, amount in sales.items()],
            coupons=CouponsAnswer(issued=brought.issued, redeemed=brought.redeemed, expired=brought.expired),
            redemptions=brought.redemptions,
            redemption_rate=redemption_rate(brought),
            campaigns=CampaignsAnswer(total=sum(statuses.values()), by_status=statuses),
            wake_up_rate=FormsAnswer.of(recalls),
        )


class DefinitionAnswer(BaseModel):
    """What a figure means: the domain row it comes from, its definition, its unit."""

    row: str
    definition: str
    unit: str

    @classmethod
    def of(cls, definition: Definition) -> "DefinitionAnswer":
        return cls(row=definition.row, definition=definition.definition, unit=definition.unit)
