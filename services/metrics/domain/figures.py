"""From counted groups to figures. A group is what SQL has counted; everything after that is arithmetic, and here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from services.metrics.domain.statistics import Difference, Mean, Rate, compare_means, compare_rates

TREATED = "treated"
HELD_OUT = "held_out"
SUPPRESSED = "suppressed"
# Decided by targeting and not answered by coupons yet; empty whenever both have reached the clock.
PENDING = "pending"

STAGES = ("potential", "new", "rising", "mature", "declining", "silent", "churned")
# MT8: who can be recalled.
RECALLABLE = ("silent", "churned")
RECALL_GOAL = "recall"


class Group(NamedTuple):
    """Decisions of one campaign that are alike: `closed` windows have ended, `ordered` of them saw an order.

    `later` of them were not their customer's first delivery, `later_in_arm` not the one whose window ended first.
    """

    arm: str
    reason: str | None
    recallable: bool
    closed: bool
    decisions: int
    ordered: int = 0
    later: int = 0
    later_in_arm: int = 0


class Spending(NamedTuple):
    """What customers paid in one currency around their first delivery, by its arm.

    `before` and `after` are windows of equal length (MT4), `revenue` is what was paid inside the attribution window.
    """

    arm: str
    recallable: bool
    currency: str
    orders_before: int
    amount_before: int
    buyers_before: int
    averages_before: float
    orders_after: int
    amount_after: int
    buyers_after: int
    averages_after: float
    revenue: int
    revenue_squares: int


class Reach(NamedTuple):
    """Treated customers with a visit inside a window, inside one that has closed, and never seen before it."""

    visited: int
    closed: int
    new: int


@dataclass(frozen=True, slots=True)
class Deliveries:
    """All that was counted of a campaign's decisions.

    `firsts`: customers who ordered inside the window of their first delivery, by its arm and by whether they could be
    recalled. `reach` is None while no visit is known at all.
    """

    groups: list[Group]
    firsts: dict[tuple[str, bool], int]
    spending: list[Spending]
    new_buyers: int
    reach: Reach | None


@dataclass(slots=True)
class Brought:
    """Coupons and what they brought; `orders`, `sales` and the two subsidies by currency."""

    issued: int = 0
    redeemed: int = 0
    expired: int = 0
    redeemers: int = 0
    redemptions: int = 0
    orders: int = 0
    uses: dict[str, int] = field(default_factory=dict[str, int])
    platform: dict[str, int] = field(default_factory=dict[str, int])
    merchant: dict[str, int] = field(default_factory=dict[str, int])
    sales: dict[str, int] = field(default_factory=dict[str, int])

    def add_coupons(self, issued: int, redeemed: int, expired: int) -> None:
        self.issued += issued
        self.redeemed += redeemed
        self.expired += expired

    def add_subsidy(self, currency: str, uses: int, platform: int, merchant: int) -> None:
        for amounts, amount in ((self.uses, uses), (self.platform, platform), (self.merchant, merchant)):
            amounts[currency] = amounts.get(currency, 0) + amount


class Forms(NamedTuple):
    """A rate in both its forms."""

    so_far: Rate
    matured: Rate


def count(groups: Iterable[Group], arm: str | None = None) -> int:
    return sum(group.decisions for group in groups if arm in (None, group.arm))


def count_reasons(groups: Iterable[Group]) -> dict[str, int]:
    """How many were suppressed, by reason."""
    found: dict[str, int] = {}
    for group in groups:
        if group.arm == SUPPRESSED and group.reason is not None:
            found[group.reason] = found.get(group.reason, 0) + group.decisions
    return dict(sorted(found.items()))


def recall(groups: Iterable[Group], arm: str, reason: str | None = None) -> Forms:
    """MT8: of the deliveries to silent and churned customers, the share with an order inside the attribution window."""
    mine = [group for group in groups if group.recallable and group.arm == arm and reason in (None, group.reason)]
    return Forms(_ordered(mine), _ordered(group for group in mine if group.closed))


def _ordered(groups: Iterable[Group]) -> Rate:
    return sum((Rate(group.ordered, group.decisions) for group in groups), Rate(0, 0))


def reach(groups: Sequence[Group], found: Reach) -> Forms:
    """MT9: of the customers delivered to, the share who came inside a window."""
    treated = [group for group in groups if group.arm == TREATED]
    customers = sum(group.decisions - group.later_in_arm for group in treated)
    # Of each customer the window that ended first is counted: if that has not closed, none has.
    closed = sum(group.decisions - group.later_in_arm for group in treated if group.closed)
    return Forms(Rate(found.visited, customers), Rate(found.closed, closed))


class Lift(NamedTuple):
    treated: Rate
    held_out: Rate
    difference: Difference


def lift(deliveries: Deliveries, goal: str) -> Lift:
    """Treated less held out, over customers by their first delivery; recall campaigns look at the recallable only."""
    treated, held_out = (
        Rate(
            sum(n for (each, recallable), n in deliveries.firsts.items() if each == arm and _counts(recallable, goal)),
            _count_customers(deliveries.groups, arm, goal),
        )
        for arm in (TREATED, HELD_OUT)
    )
    return Lift(treated, held_out, compare_rates(treated, held_out))


class RevenueLift(NamedTuple):
    treated: Mean
    held_out: Mean
    difference: Difference


def revenue_lift(deliveries: Deliveries, goal: str, currency: str | None) -> RevenueLift:
    """The same for what a customer paid within the window, in one currency; who paid nothing counts as 0."""
    paid = [each for each in deliveries.spending if each.currency == currency and _counts(each.recallable, goal)]
    treated, held_out = (
        Mean(
            _count_customers(deliveries.groups, arm, goal),
            sum(each.revenue for each in paid if each.arm == arm),
            sum(each.revenue_squares for each in paid if each.arm == arm),
        )
        for arm in (TREATED, HELD_OUT)
    )
    return RevenueLift(treated, held_out, compare_means(treated, held_out))


def _counts(recallable: bool, goal: str) -> bool:
    return recallable or goal != RECALL_GOAL


def _count_customers(groups: Iterable[Group], arm: str, goal: str) -> int:
    """Customers whose first delivery was in this arm."""
    return sum(
        group.decisions - group.later for group in groups if group.arm == arm and _counts(group.recallable, goal)
    )


class Average(NamedTuple):
    """MT4: what an order brings, pooled over all orders, and as the mean of the customers' own averages."""

    pooled: Rate
    customers: int
    per_customer: float | None


def order_value(spending: Iterable[Spending], currency: str | None, side: Literal["before", "after"]) -> Average:
    """Of treated customers, before or after their first delivery."""
    mine = [each for each in spending if each.arm == TREATED and each.currency == currency]
    if side == "before":
        sides = [(each.orders_before, each.amount_before, each.buyers_before, each.averages_before) for each in mine]
    else:
        sides = [(each.orders_after, each.amount_after, each.buyers_after, each.averages_after) for each in mine]
    customers = sum(buyers for _, _, buyers, _ in sides)
    averages = sum(total for _, _, _, total in sides)
    return Average(
        Rate(sum(amount for _, amount, _, _ in sides), sum(orders for orders, _, _, _ in sides)),
        customers,
        averages / customers if customers else None,
    )


def count_orders(spending: Iterable[Spending]) -> dict[str, int]:
    """How many orders there were around the deliveries, by currency."""
    found: dict[str, int] = {}
    for each in spending:
        if orders := each.orders_before + each.orders_after:
            found[each.currency] = found.get(each.currency, 0) + orders
    return found


def main_currency(*counts: Mapping[str, int]) -> str | None:
    """The currency that occurs most, in the first of `counts` that has any; of equals the first by name."""
    for found in counts:
        if found:
            return min(found, key=lambda currency: (-found[currency], currency))
    return None
