"""What the benches tell a system: visits and orders of many customers, a few of whom come again and again."""

import random
from collections.abc import Iterator
from datetime import datetime
from itertools import accumulate

from demo.storefront import Storefront
from shared import topics
from shared.events import Event
from shared.events.storefront import (
    Identification,
    Order,
    Person,
    StorefrontCustomerIdentified,
    StorefrontOrderCompleted,
    StorefrontVisitRecorded,
    Visit,
)

_SHOPS = [f"shop-{number}" for number in range(20)]
_SOURCE = "bench"
ORDER_SHARE = 0.2
BATCH = 100  # calls in one request


class Load:
    """Drawn from a seed: the same seed is the same events. The n-th customer is n times rarer than the first.

    Of `customers` only so many are `active`, here and there among the others; all of them unless told.
    """

    def __init__(self, customers: int, seed: int = 1, active: int | None = None) -> None:
        self._dice = random.Random(seed)
        self._names = [f"customer-{number}" for number in range(customers)]
        self._active = self._names[:: max(1, customers // active)][:active] if active else self._names
        self._weights = list(accumulate(1 / rank for rank in range(1, len(self._active) + 1)))
        self._number = 0

    def events(self, count: int, at: datetime) -> dict[str, list[tuple[str, Event]]]:
        """So many events that happen at this instant, by topic, each with its key."""
        found: dict[str, list[tuple[str, Event]]] = {topics.STOREFRONT_ORDERS: [], topics.STOREFRONT_VISITS: []}
        for name in self._dice.choices(self._active, cum_weights=self._weights, k=count):
            self._number += 1
            if self._dice.random() < ORDER_SHARE:
                found[topics.STOREFRONT_ORDERS].append((name, self.order(name, at)))
            else:
                found[topics.STOREFRONT_VISITS].append((name, self._visit(name, at)))
        return found

    def order(self, name: str, at: datetime) -> StorefrontOrderCompleted:
        self._number += 1
        data = Order(
            person=Person(source_id=name),
            shop_id=self._dice.choice(_SHOPS),
            order_id=f"order-{self._number}",
            total=self._dice.randrange(100, 20_000),
            currency="USD",
        )
        return StorefrontOrderCompleted(id=f"event-{self._number}", source=_SOURCE, time=at, data=data)

    def _visit(self, name: str, at: datetime) -> StorefrontVisitRecorded:
        data = Visit(person=Person(source_id=name), shop_id=self._dice.choice(_SHOPS), name="product")
        return StorefrontVisitRecorded(id=f"event-{self._number}", source=_SOURCE, time=at, data=data)

    def identities(self, at: datetime) -> Iterator[tuple[str, Event]]:
        """Every customer makes themself known."""
        for name in self._names:
            data = Identification(person=Person(source_id=name), shop_id=_SHOPS[0])
            yield name, StorefrontCustomerIdentified(id=f"known-{name}", source=_SOURCE, time=at, data=data)


async def tell(storefront: Storefront, events: dict[str, list[tuple[str, Event]]]) -> None:
    for topic, told in events.items():
        await storefront.tell(topic, told)
