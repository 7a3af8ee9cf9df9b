"""The shapes that all figures share: a rate with its numbers, an amount with its currency."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from services.metrics.domain.figures import Brought, Forms
from services.metrics.domain.statistics import Rate


class RateAnswer(BaseModel):
    """`numerator / denominator`; `value` is null when there is nothing to divide by."""

    value: float | None
    numerator: int
    denominator: int

    @classmethod
    def of(cls, rate: Rate) -> "RateAnswer":
        return cls(value=rate.value, numerator=rate.numerator, denominator=rate.denominator)


class FormsAnswer(BaseModel):
    """A rate over all, and over those whose outcome can no longer change."""

    so_far: RateAnswer
    matured: RateAnswer

    @classmethod
    def of(cls, forms: Forms) -> "FormsAnswer":
        return cls(so_far=RateAnswer.of(forms.so_far), matured=RateAnswer.of(forms.matured))


class MoneyAnswer(BaseModel):
    """Minor units of a currency; the currency is null while nothing was paid."""

    amount: int
    currency: str | None

    @classmethod
    def of(cls, amounts: Mapping[str, int], currency: str | None) -> "MoneyAnswer":
        return cls(amount=amounts.get(currency, 0) if currency else 0, currency=currency)


class SubsidyAnswer(BaseModel):
    """MT1: the discount given, by who bears it."""

    platform: MoneyAnswer
    merchant: MoneyAnswer


class CurrencyAnswer(BaseModel):
    """Sales and subsidy in one currency."""

    currency: str
    sales: MoneyAnswer
    subsidy: SubsidyAnswer

    @classmethod
    def of(cls, brought: Brought, currency: str) -> "CurrencyAnswer":
        return cls(currency=currency, sales=MoneyAnswer.of(brought.sales, currency), subsidy=subsidy(brought, currency))


def subsidy(brought: Brought, currency: str | None) -> SubsidyAnswer:
    return SubsidyAnswer(
        platform=MoneyAnswer.of(brought.platform, currency), merchant=MoneyAnswer.of(brought.merchant, currency)
    )


def other_currencies(brought: Brought, main: str | None) -> list[CurrencyAnswer]:
    """What `sales` and `subsidy` leave out when more than one currency occurs."""
    return [
        CurrencyAnswer.of(brought, currency) for currency in sorted(brought.uses | brought.sales) if currency != main
    ]


def redemption_rate(brought: Brought) -> FormsAnswer:
    """MT3 in both forms."""
    return FormsAnswer.of(
        Forms(Rate(brought.redeemed, brought.issued), Rate(brought.redeemed, brought.redeemed + brought.expired))
    )


OTHER_CURRENCIES = Field(description="the same in every other currency that occurs; normally empty")
