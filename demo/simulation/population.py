"""Customers with a hidden mind, and the truth that follows from it: recall and lift have it to compare with. Pure."""

import random
from collections.abc import Collection
from hashlib import blake2b
from typing import NamedTuple


class Customer(NamedTuple):
    """What nobody but the simulation knows of a customer.

    Once silent they come back by themselves with probability `natural`, and with `natural + response` if a coupon
    reaches them: the response is the lift that this customer contributes.
    """

    number: int
    # How often they look at the shop, compared with others.
    visits: float
    # Between two orders lies half to one and a half of this, so nobody who goes on buying seems silent.
    days_between_orders: float
    basket_cents: int
    # The probability that an order is the last one before they fall silent.
    dropout: float
    natural: float
    response: float


def make_population(seed: int, size: int) -> list[Customer]:
    """The same seed is the same people, and a larger size only adds to them."""
    return [_customer(seed, number) for number in range(size)]


def _customer(seed: int, number: int) -> Customer:
    dice = random.Random(f"{seed}:{number}")
    natural = dice.betavariate(2, 10)
    return Customer(
        number=number,
        visits=dice.lognormvariate(0, 1),
        days_between_orders=dice.uniform(6, 14),
        basket_cents=round(3000 * dice.lognormvariate(0, 0.5)) + 1000,
        dropout=dice.betavariate(3, 9),
        natural=natural,
        response=(1 - natural) * dice.betavariate(2, 10),
    )


def expected_recall(customers: Collection[Customer], *, treated: bool) -> float | None:
    """The share of these silent customers who will come back; None of nobody."""
    if not customers:
        return None
    return sum(each.natural + treated * each.response for each in customers) / len(customers)


def expected_lift(customers: Collection[Customer]) -> float | None:
    """What a coupon adds to their recall; None of nobody."""
    return sum(each.response for each in customers) / len(customers) if customers else None


class Fate:
    """Every chance in the simulation, drawn from the seed and what it is about: when it is asked changes nothing."""

    def __init__(self, seed: int) -> None:
        self._key = str(seed).encode()

    def share(self, about: str, *numbers: int) -> float:
        """Evenly from [0, 1)."""
        named = f"{about}:{numbers}".encode()
        return int.from_bytes(blake2b(named, key=self._key, digest_size=6).digest()) / 2**48


def comes_back(fate: Fate, customer: Customer, silence: int, *, treated: bool) -> bool:
    """Whether they return from their silence number `silence`. Who returns without a coupon returns with one too."""
    return fate.share("back", customer.number, silence) < customer.natural + treated * customer.response
