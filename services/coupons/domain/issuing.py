"""Who gets a coupon at a tick: the last check before delivery (AH5). Rows CP8, CP9, AH1, AH2."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from services.coupons.domain.templates import Definition, is_claimable

TREATED = "treated"


class Outcome(StrEnum):
    """How a decision was answered. Held out and allowed is `withheld`: it would have been issued."""

    ISSUED = "issued"
    WITHHELD = "withheld"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Limits:
    """AH1: how many unused and valid coupons a customer may hold. AH2: how long one of a kind keeps others away."""

    possession_cap: int = 5
    same_kind_window: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Decision:
    """What targeting decided for a customer, and what it wants to give them."""

    decision_id: str
    campaign_id: str
    customer_id: str
    arm: str
    caused_at: datetime
    decided_at: datetime
    priority: int
    template_id: str
    channel: str
    anti_harassment: bool
    limit_per_customer: int | None

    @property
    def rank(self) -> tuple[datetime, int, str, str]:
        """The order in which a customer's decisions are answered."""
        return self.caused_at, -self.priority, self.campaign_id, self.decision_id


@dataclass(slots=True)
class Stock:
    """A template as it is now, and how many coupons of it were issued."""

    template_id: str
    version: int
    definition: Definition
    archived: bool
    issued: int


@dataclass(slots=True)
class Customer:
    """What a customer holds and has received, as of the tick and of the decisions answered so far."""

    # Coupons without a standing redemption that are valid at the tick (AH1).
    possessed: int = 0
    # By campaign: coupons issued to them, or withheld from them (CP8).
    deliveries: dict[str, int] = field(default_factory=dict[str, int])
    # Kinds issued to them within the window, by whatever campaign (AH2).
    kinds: set[str] = field(default_factory=set[str])
    # (campaign, kind) withheld within the window: for the arms to stay alike, these count for their own campaign.
    withheld: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


@dataclass(frozen=True, slots=True)
class Answer:
    decision: Decision
    outcome: Outcome
    code: str | None
    stock: Stock | None


def answer(
    decisions: Iterable[Decision],
    stocks: Mapping[str, Stock],
    customers: Mapping[str, Customer],
    limits: Limits,
    at: datetime,
) -> list[Answer]:
    """Answers each decision once, customer by customer; what is issued counts for whatever is answered after it."""
    answers: list[Answer] = []
    for decision in sorted(decisions, key=lambda each: (each.customer_id, each.rank)):
        stock, customer = stocks.get(decision.template_id), customers[decision.customer_id]
        code = _broken_rule(decision, stock, customer, limits, at)
        if code is not None or stock is None:
            answers.append(Answer(decision, Outcome.REFUSED, code, stock))
        else:
            answers.append(Answer(decision, _deliver(decision, stock, customer, at), None, stock))
    return answers


def _broken_rule(
    decision: Decision, stock: Stock | None, customer: Customer, limits: Limits, at: datetime
) -> str | None:
    """The code of the first rule that forbids it: the same rules for both arms, or comparing them would be biased."""
    if stock is None or stock.archived:
        return "template-not-found"
    if not is_claimable(stock.definition, at):
        return "template-not-active"
    limit = decision.limit_per_customer
    if limit is not None and customer.deliveries.get(decision.campaign_id, 0) >= limit:
        return "customer-limit-exceeded"
    if decision.anti_harassment and (code := _harassment(decision, stock.definition.kind, customer, limits)):
        return code
    quantity = stock.definition.quantity
    return "quantity-exceeded" if quantity is not None and stock.issued >= quantity else None


def _harassment(decision: Decision, kind: str, customer: Customer, limits: Limits) -> str | None:
    if kind in customer.kinds or (decision.campaign_id, kind) in customer.withheld:
        return "same-kind-too-soon"
    return "possession-cap-reached" if customer.possessed >= limits.possession_cap else None


def _deliver(decision: Decision, stock: Stock, customer: Customer, at: datetime) -> Outcome:
    customer.deliveries[decision.campaign_id] = customer.deliveries.get(decision.campaign_id, 0) + 1
    definition = stock.definition
    if decision.arm != TREATED:
        customer.withheld.add((decision.campaign_id, definition.kind))
        return Outcome.WITHHELD
    customer.kinds.add(definition.kind)
    starts_at = definition.validity.starts_at
    customer.possessed += starts_at is None or starts_at <= at
    stock.issued += 1
    return Outcome.ISSUED
