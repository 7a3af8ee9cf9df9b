"""Section 15 of the domain page, word for word and without any cleverness: what the service is compared with.

Nothing here is the service's. Instants are whole microseconds; `orders` are the payment instants of counted orders.
"""

from collections.abc import Sequence
from itertools import pairwise

DAY = 86_400_000_000
Step = tuple[int, str, str | None]


def stage_at(orders: Sequence[int], visit: int | None, at: int) -> str | None:
    """The first condition that holds at `at`; None for who has neither visited nor ordered by then."""
    past = sorted(order for order in orders if order <= at)
    if not past:
        return "potential" if visit is not None and visit <= at else None
    recent = sum(at < order + 30 * DAY for order in past)
    before = sum(order + 30 * DAY <= at < order + 60 * DAY for order in past)
    cycle = _cycle(past)
    conditions = [
        ("mature", recent > 5),
        ("new", cycle <= at < cycle + 30 * DAY),
        ("declining", at < past[-1] + 30 * DAY and recent < before),
        ("rising", at < past[-1] + 30 * DAY),
        ("churned", at >= past[-1] + 90 * DAY),
        ("silent", at >= past[-1] + 30 * DAY),
    ]
    return next(stage for stage, holds in conditions if holds)


def _cycle(past: list[int]) -> int:
    """The first order, or the latest one that came after churn."""
    cycle = past[0]
    for one, other in pairwise(past):
        cycle = other if other - one > 90 * DAY else cycle
    return cycle


def naive(orders: Sequence[int], visit: int | None, until: int) -> list[Step]:
    """`(since, stage, stage before)`: every instant at which a stage could change is looked at."""
    candidates = {order + shift * DAY for order in orders for shift in (0, 30, 60, 90)}
    candidates |= {visit} if visit is not None else set()
    changes: list[Step] = []
    current = None
    for at in sorted(each for each in candidates if each <= until):
        found = stage_at(orders, visit, at)
        if found is not None and found != current:
            changes.append((at, found, current))
            current = found
    return changes


def came_back(orders: Sequence[int], at: int) -> bool:
    """Whether an order at `at` ended more than 90 days without any."""
    before = [order for order in orders if order < at]
    return at in orders and bool(before) and at - max(before) > 90 * DAY
