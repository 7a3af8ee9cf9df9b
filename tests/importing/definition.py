"""CDNOW's figures from the published file and the definitions alone: nothing of Comeback's is used here."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Purchase:
    customer: str
    day: str
    dollars: str

    @property
    def at(self) -> datetime:
        """The first instant of its day in New York."""
        year, month, day = int(self.day[:4]), int(self.day[4:6]), int(self.day[6:])
        return datetime(year, month, day, tzinfo=NEW_YORK).astimezone(UTC)

    @property
    def cents(self) -> int:
        return int(Decimal(self.dollars) * 100)


def load(path: Path) -> list[Purchase]:
    _, *lines = path.read_text().splitlines()
    return [Purchase(customer, day, dollars) for customer, day, _, dollars in map(str.split, lines)]


def by_month(purchases: list[Purchase]) -> dict[str, tuple[int, int, int]]:
    """Orders, active customers and cents of each calendar month in New York."""
    found: defaultdict[str, list[Purchase]] = defaultdict(list)
    for purchase in purchases:
        found[f"{purchase.day[:4]}-{purchase.day[4:6]}-01"].append(purchase)
    return {
        month: (len(of_it), len({each.customer for each in of_it}), sum(each.cents for each in of_it))
        for month, of_it in found.items()
    }


def by_customer(purchases: list[Purchase]) -> dict[str, list[datetime]]:
    found: defaultdict[str, list[datetime]] = defaultdict(list)
    for purchase in purchases:
        found[purchase.customer].append(purchase.at)
    return {customer: sorted(instants) for customer, instants in found.items()}


def count_regulars(customers: dict[str, list[datetime]], now: datetime) -> int:
    """Who had bought at least twice by then, the last time less than thirty days before."""
    before = ([at for at in orders if at <= now] for orders in customers.values())
    return sum(len(orders) >= 2 and now < orders[-1] + 30 * DAY for orders in before)


def count_stages(customers: dict[str, list[datetime]], now: datetime) -> dict[str, int]:
    stages = Counter(stage_at([at for at in orders if at <= now], now) for orders in customers.values())
    return {stage: count for stage, count in stages.items() if stage is not None}


def stage_at(orders: list[datetime], now: datetime) -> str | None:
    """LC1 to LC7 as section 15 says them: an order at t counts in the last d during [t, t + d)."""
    if not orders:
        return None
    last, began = orders[-1], orders[0]
    for one, next_one in pairwise(orders):
        # Whoever orders after 90 days was churned, and begins anew.
        if next_one - one > 90 * DAY:
            began = next_one
    recent = sum(at > now - 30 * DAY for at in orders)
    before = sum(now - 60 * DAY < at <= now - 30 * DAY for at in orders)
    if recent > 5:
        return "mature"
    if now < began + 30 * DAY:
        return "new"
    if recent:
        return "declining" if recent < before else "rising"
    return "churned" if now >= last + 90 * DAY else "silent"
