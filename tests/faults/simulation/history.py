"""What a seed's storefront tells, step by step, and what must come of it, reckoned naively."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events.codec import encode
from shared.events.storefront import Order, Person, StorefrontOrderCompleted
from tests.faults.simulation.services import FIRST, REFUSED, SECOND

T0 = datetime(2020, 1, 1, tzinfo=UTC)
POISON = b"\xff\x00"


@dataclass(frozen=True)
class Told:
    id: str
    customer: str
    amount: int
    time: datetime
    due: datetime

    @property
    def body(self) -> bytes:
        if not self.amount:
            return POISON
        data = Order(
            person=Person(source_id=self.customer),
            shop_id=self.due.isoformat(),
            order_id=f"value-{self.id}",
            total=self.amount,
            currency="EUR",
        )
        return encode(StorefrontOrderCompleted(id=self.id, source="shop", time=self.time, data=data))

    @property
    def good(self) -> bool:
        return self.amount not in (0, REFUSED)


@dataclass(frozen=True)
class Step:
    """What is told, and the tick that stands behind it."""

    at: datetime
    told: list[Told]


def make_history(seed: int) -> list[Step]:
    dice = random.Random(f"history {seed}")
    steps: list[Step] = []
    for number in range(1, dice.randint(4, 7)):
        due = T0 + timedelta(minutes=number)
        told: list[Told] = []
        for index in range(dice.randint(0, 5)):
            amount = dice.choice([0, REFUSED]) if dice.random() < 0.06 else dice.randint(1, 12)
            # Late ones too: what happened has an instant of its own.
            time = T0 + timedelta(minutes=dice.randint(-9, number))
            told.append(Told(f"e{number}-{index}", f"c{dice.randint(0, 4)}", amount, time, due))
        steps.append(Step(due, told))
    return steps


def foretell(steps: list[Step]) -> dict[str, dict[str, Any]]:
    """The business tables of both services as they must be in the end."""
    facts = {told.id: told for step in steps for told in step.told if told.good}
    first: dict[tuple[str, str], Any] = {}
    second: dict[tuple[str, str], Any] = {}
    customers = sorted({told.customer for told in facts.values()})
    for step in steps:
        for customer in customers:
            known = [told for told in facts.values() if told.customer == customer and told.due <= step.at]
            if not known:
                continue
            total = sum(told.amount for told in known)
            value = f"value-{max((told.time, told.id) for told in known)[1]}"
            _decide(first, customer, step.at, (total, value))
            decided = sum(each == customer for each, _ in first)
            _decide(second, customer, step.at, (total + 1000 * decided, value))
    at_first = {key: (told.customer, told.amount) for key, told in facts.items()}
    at_second = {f"paid-{key}": row for key, row in at_first.items()}
    at_second.update({f"decided-{customer}-{at}": (customer, 1000) for customer, at in first})
    return {FIRST: {"facts": at_first, "decisions": first}, SECOND: {"facts": at_second, "decisions": second}}


def _decide(decisions: dict[tuple[str, str], Any], customer: str, at: datetime, figures: tuple[int, str]) -> None:
    last = max((tick for each, tick in decisions if each == customer), default=None)
    if last is None or decisions[customer, last] != figures:
        decisions[customer, at.isoformat()] = figures
