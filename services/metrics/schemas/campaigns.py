"""What callers get of campaigns."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from services.metrics.domain import figures
from services.metrics.domain.figures import (
    HELD_OUT,
    PENDING,
    SUPPRESSED,
    TREATED,
    Average,
    Brought,
    Deliveries,
    Group,
)
from services.metrics.domain.statistics import Difference
from services.metrics.schemas.shapes import (
    OTHER_CURRENCIES,
    CurrencyAnswer,
    FormsAnswer,
    MoneyAnswer,
    RateAnswer,
    SubsidyAnswer,
    other_currencies,
    redemption_rate,
    subsidy,
)


class RecallAnswer(BaseModel):
    """MT8, by arm; what was suppressed also by reason."""

    treated: FormsAnswer
    held_out: FormsAnswer
    suppressed: FormsAnswer
    suppressed_by_reason: dict[str, FormsAnswer]

    @classmethod
    def of(cls, groups: list[Group]) -> "RecallAnswer":
        return cls(
            treated=FormsAnswer.of(figures.recall(groups, TREATED)),
            held_out=FormsAnswer.of(figures.recall(groups, HELD_OUT)),
            suppressed=FormsAnswer.of(figures.recall(groups, SUPPRESSED)),
            suppressed_by_reason={
                reason: FormsAnswer.of(figures.recall(groups, SUPPRESSED, reason))
                for reason in figures.count_reasons(groups)
            },
        )


class LiftAnswer(BaseModel):
    """Treated less held out, with its 95 % interval; null without customers in both arms."""

    estimate: float | None
    low: float | None
    high: float | None
    p_value: float | None
    treated: RateAnswer
    held_out: RateAnswer


class RevenueLiftAnswer(BaseModel):
    """The same in minor units paid per head."""

    estimate: float | None
    low: float | None
    high: float | None
    p_value: float | None
    treated: float | None
    held_out: float | None
    currency: str | None


def _interval(difference: Difference) -> dict[str, float | None]:
    return {name: getattr(difference, name) for name in ("estimate", "low", "high", "p_value")}


class PerCustomerAnswer(BaseModel):
    """The mean of the customers' own averages, in minor units."""

    value: float | None
    customers: int


class PerCustomerAovAnswer(BaseModel):
    before: PerCustomerAnswer
    after: PerCustomerAnswer


class AovAnswer(BaseModel):
    """MT4 in minor units of `currency`, before and after delivery; the windows are equally long."""

    currency: str | None
    before: RateAnswer
    after: RateAnswer
    per_customer: PerCustomerAovAnswer

    @classmethod
    def of(cls, before: Average, after: Average, currency: str | None) -> "AovAnswer":
        return cls(
            currency=currency,
            before=RateAnswer.of(before.pooled),
            after=RateAnswer.of(after.pooled),
            per_customer=PerCustomerAovAnswer(
                before=PerCustomerAnswer(value=before.per_customer, customers=before.customers),
                after=PerCustomerAnswer(value=after.per_customer, customers=after.customers),
            ),
        )


class ChannelAnswer(BaseModel):
    """AN5: what one channel brought."""

    channel: str
    issued: int
    redeemers: int
    redemptions: int
    expired: int
    redemption_rate: FormsAnswer
    orders: int
    sales: MoneyAnswer
    subsidy: SubsidyAnswer
    other_currencies: list[CurrencyAnswer] = OTHER_CURRENCIES

    @classmethod
    def of(cls, channel: str, brought: Brought) -> "ChannelAnswer":
        currency = figures.main_currency(brought.uses)
        return cls(
            channel=channel,
            issued=brought.issued,
            redeemers=brought.redeemers,
            redemptions=brought.redemptions,
            expired=brought.expired,
            redemption_rate=redemption_rate(brought),
            orders=brought.orders,
            sales=MoneyAnswer.of(brought.sales, currency),
            subsidy=subsidy(brought, currency),
            other_currencies=other_currencies(brought, currency),
        )


class CampaignMetricsAnswer(BaseModel):
    """A campaign in figures, as of the service's clock; `GET /v1/metrics/definitions` says what each means."""

    at: datetime
    campaign_id: str
    name: str | None = Field(description="null while the campaign is known from its decisions alone")
    status: str | None
    goal: str
    channel: str
    attribution_days: int
    currency: str | None = Field(description="the currency that most redemptions are in; all amounts here are in it")
    audience: int
    treated: int
    held_out: int
    suppressed: dict[str, int]
    pending: int
    issued: int
    expired: int
    redeemers: int
    redemptions: int
    redemption_rate: FormsAnswer
    orders: int
    sales: MoneyAnswer
    subsidy: SubsidyAnswer
    other_currencies: list[CurrencyAnswer] = OTHER_CURRENCIES
    recall: RecallAnswer
    lift: LiftAnswer
    revenue_lift: RevenueLiftAnswer
    reach: FormsAnswer | None = Field(description="null while no visits are told at all")
    new_visitors: int | None = Field(description="null while no visits are told at all")
    new_buyers: int
    aov: AovAnswer
    by_channel: list[ChannelAnswer]

    @classmethod
    def of(
        cls, at: datetime, campaign: Any, deliveries: Deliveries, brought: Brought, by_channel: dict[str, Brought]
    ) -> "CampaignMetricsAnswer":
        groups, spending = deliveries.groups, deliveries.spending
        currency = figures.main_currency(brought.uses, figures.count_orders(spending))
        return cls(
            at=at,
            **{name: campaign[name] for name in _SAME},
            currency=currency,
            audience=figures.count(groups),
            treated=figures.count(groups, TREATED),
            held_out=figures.count(groups, HELD_OUT),
            suppressed=figures.count_reasons(groups),
            pending=figures.count(groups, PENDING),
            issued=brought.issued,
            expired=brought.expired,
            redeemers=brought.redeemers,
            redemptions=brought.redemptions,
            redemption_rate=redemption_rate(brought),
            orders=brought.orders,
            sales=MoneyAnswer.of(brought.sales, currency),
            subsidy=subsidy(brought, currency),
            other_currencies=other_currencies(brought, currency),
            recall=RecallAnswer.of(groups),
            lift=_lift(deliveries, campaign["goal"]),
            revenue_lift=_revenue_lift(deliveries, campaign["goal"], currency),
            reach=FormsAnswer.of(figures.reach(groups, deliveries.reach)) if deliveries.reach else None,
            new_visitors=deliveries.reach.new if deliveries.reach else None,
            new_buyers=deliveries.new_buyers,
            aov=AovAnswer.of(
                figures.order_value(spending, currency, "before"),
                figures.order_value(spending, currency, "after"),
                currency,
            ),
            by_channel=[ChannelAnswer.of(channel, each) for channel, each in by_channel.items()],
        )


_SAME = ("campaign_id", "name", "status", "goal", "channel", "attribution_days")


def _lift(deliveries: Deliveries, goal: str) -> LiftAnswer:
    found = figures.lift(deliveries, goal)
    return LiftAnswer(
        treated=RateAnswer.of(found.treated), held_out=RateAnswer.of(found.held_out), **_interval(found.difference)
    )


def _revenue_lift(deliveries: Deliveries, goal: str, currency: str | None) -> RevenueLiftAnswer:
    found = figures.revenue_lift(deliveries, goal, currency)
    return RevenueLiftAnswer(
        treated=found.treated.value, held_out=found.held_out.value, currency=currency, **_interval(found.difference)
    )


class CampaignLineAnswer(BaseModel):
    """A campaign's headline figures."""

    campaign_id: str
    name: str | None
    status: str | None
    goal: str
    channel: str
    issued: int
    redeemers: int
    redemptions: int
    redemption_rate: FormsAnswer

    @classmethod
    def of(cls, row: Any) -> "CampaignLineAnswer":
        used = Brought(issued=row["issued"], redeemed=row["redeemed"], expired=row["expired"])
        return cls(**{name: row[name] for name in _LINE}, redemption_rate=redemption_rate(used))


_LINE = ("campaign_id", "name", "status", "goal", "channel", "issued", "redeemers", "redemptions")
