"""The simulated storefront's words: events of the public contract, with ids that follow from what they are about."""

from datetime import datetime

from demo.simulation.population import Customer
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

CURRENCY = "USD"
_SOURCE = "demo/simulation"
_SHOPS = ("north", "south", "east")

# Topic, key, event.
Told = tuple[str, str, Event]


class Teller:
    """Tells of one run, whose name stands in every id: another run has other customers and other orders."""

    def __init__(self, run: str, customers: list[Customer]) -> None:
        self._run = run
        self._people = [Person(source_id=f"{run}-{each.number}") for each in customers]
        self._visits = 0

    def source_id(self, number: int) -> str:
        return f"{self._run}-{number}"

    def identified(self, number: int, at: datetime) -> Told:
        data = Identification(person=self._people[number], shop_id=_shop(number), member=number % 2 == 0)
        key = self.source_id(number)
        event = StorefrontCustomerIdentified(id=f"{key}-known", source=_SOURCE, time=at, data=data)
        return topics.STOREFRONT_IDENTITIES, key, event

    def visited(self, number: int, at: datetime) -> Told:
        self._visits += 1
        data = Visit(person=self._people[number], shop_id=_shop(number))
        name = f"{self._run}-visit-{self._visits}"
        event = StorefrontVisitRecorded(id=name, source=_SOURCE, time=at, data=data)
        return topics.STOREFRONT_VISITS, self.source_id(number), event

    def order(self, number: int, turn: int, cents: int, coupon: str | None = None) -> Order:
        """The customer's order number `turn`."""
        return Order(
            person=self._people[number],
            shop_id=_shop(number),
            order_id=f"{self._run}-{number}-{turn}",
            total=cents,
            currency=CURRENCY,
            coupons=[coupon] if coupon else [],
        )

    def paid(self, number: int, order: Order, at: datetime) -> Told:
        event = StorefrontOrderCompleted(id=f"{order.order_id}-paid", source=_SOURCE, time=at, data=order)
        return topics.STOREFRONT_ORDERS, self.source_id(number), event


def _shop(number: int) -> str:
    return _SHOPS[number % len(_SHOPS)]
