"""What the customers do as time passes: buy, fall silent, come back by themselves or because of a coupon. Pure."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate
from typing import NamedTuple

from demo.simulation.plan import SILENCE, Calendar
from demo.simulation.population import Customer, Fate, comes_back
from demo.simulation.telling import Teller, Told
from shared.events.storefront import Order

# Of those whose past is told, so many fall silent while the run lasts.
_FALLING = 0.3
# Of the rest of a live run's events: those who go on buying do so all the time.
_ORDERS_AMONG_LIVE_EVENTS = 0.2


class Use(NamedTuple):
    """A coupon, and the order on which its customer used it."""

    code: str
    order: Order


class Shop:
    """Call `open` or `resume`, then `pass_to` again and again, and `offer` when a coupon reached somebody.

    The same seed, calendar and offers yield the same events, whatever the instants at which the offers came.
    """

    def __init__(self, seed: int, population: list[Customer], calendar: Calendar, teller: Teller) -> None:
        self.population = population
        self._calendar = calendar
        self._teller = teller
        self._fate = Fate(seed)
        self._dice = random.Random(f"{seed}:passers-by")
        self._weights = list(accumulate(each.visits for each in population))
        self._now = calendar.starts_at
        self._orders = [0] * len(population)
        self._due: list[tuple[datetime, int]] = []
        # Who is silent: since when, and whether they will come back as things stand.
        self._silent: dict[int, tuple[datetime, bool]] = {}
        self._codes: dict[int, str] = {}
        self._live = False
        self.uses: list[Use] = []

    def open(self) -> None:
        """Everybody orders for the first time within their usual gap: for a run that has months to pass."""
        for each in self.population:
            wait = self._fate.share("first", each.number) * each.days_between_orders
            heappush(self._due, (self._now + timedelta(days=wait), each.number))

    def resume(self) -> Iterator[Told]:
        """The past, as it is told to a live system: some customers' last order was almost 30 days ago."""
        self._live = True
        span = self._calendar.closes_at - self._now - self._calendar.first_silence
        for each in self.population:
            falls = span > timedelta(0) and self._fate.share("falls", each.number) < _FALLING
            silent_at = self._now + self._calendar.first_silence + self._fate.share("when", each.number) * span
            days = 20 * self._fate.share("last", each.number)
            last_at = silent_at - SILENCE if falls else self._now - timedelta(days=days)
            yield self._pay(each, last_at - timedelta(days=each.days_between_orders))
            yield self._pay(each, last_at)
            if falls:
                self._fall_silent(each, silent_at)

    def pass_to(self, at: datetime, count: int) -> list[Told]:
        """What happens until `at`, in order of time: the orders that are due, and as many visits as make up `count`."""
        told: list[Told] = []
        while self._due and self._due[0][0] <= at:
            ordered_at, number = heappop(self._due)
            told.append(self._order(self.population[number], ordered_at))
        missing = max(0, count - len(told))
        for turn, number in enumerate(self._passers_by(missing)):
            told.append(self._pass_by(number, self._now + (at - self._now) * ((turn + 1) / missing)))
        self._now = at
        told.sort(key=lambda each: each[2].time)
        return told

    def offer(self, number: int, code: str) -> None:
        """A coupon reached the customer; some come back because of it, whoever comes back uses it."""
        if number not in self._silent:
            return
        self._codes[number] = code
        customer, (silent_at, returning) = self.population[number], self._silent[number]
        if not returning and comes_back(self._fate, customer, self._orders[number], treated=True):
            self._return(customer, silent_at)

    def _order(self, customer: Customer, at: datetime) -> Told:
        self._silent.pop(customer.number, None)
        told = self._pay(customer, at, self._codes.pop(customer.number, None))
        orders = self._orders[customer.number]
        if self._live:
            return told
        if self._fate.share("dropout", customer.number, orders) < customer.dropout:
            self._fall_silent(customer, at + SILENCE)
        else:
            wait = customer.days_between_orders * (0.5 + self._fate.share("gap", customer.number, orders))
            heappush(self._due, (at + timedelta(days=wait), customer.number))
        return told

    def _fall_silent(self, customer: Customer, silent_at: datetime) -> None:
        self._silent[customer.number] = (silent_at, False)
        if comes_back(self._fate, customer, self._orders[customer.number], treated=False):
            self._return(customer, silent_at)

    def _return(self, customer: Customer, silent_at: datetime) -> None:
        self._silent[customer.number] = (silent_at, True)
        soonest, latest = self._calendar.soonest, self._calendar.latest
        delay = soonest + self._fate.share("delay", customer.number, self._orders[customer.number]) * (latest - soonest)
        heappush(self._due, (max(self._now, silent_at + delay), customer.number))

    def _pay(self, customer: Customer, at: datetime, code: str | None = None) -> Told:
        number = customer.number
        self._orders[number] += 1
        turn = self._orders[number]
        cents = round(customer.basket_cents * (0.5 + self._fate.share("basket", number, turn)))
        order = self._teller.order(number, turn, cents, code)
        if code is not None:
            self.uses.append(Use(code, order))
        return self._teller.paid(number, order, at)

    def _passers_by(self, count: int) -> list[int]:
        """Who looks at the shop, by how fond they are of it; the silent hardly ever do."""
        found: list[int] = []
        numbers = range(len(self.population))
        for _ in range(10):
            drawn = self._dice.choices(numbers, cum_weights=self._weights, k=count - len(found))
            found += [number for number in drawn if number not in self._silent]
            if len(found) == count:
                return found
        return found + self._dice.choices(numbers, cum_weights=self._weights, k=count - len(found))

    def _pass_by(self, number: int, at: datetime) -> Told:
        buys = self._live and number not in self._silent and self._dice.random() < _ORDERS_AMONG_LIVE_EVENTS
        return self._pay(self.population[number], at) if buys else self._teller.visited(number, at)
