"""Any life of a few customers, however late, often and disordered it is told; one that fails is made short."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule, run_state_machine_as_test

from deploy.local.names import SERVICES
from shared.database import Database
from shared.events import Event
from shared.events.storefront import (
    Identification,
    Order,
    OrderReference,
    Person,
    Refund,
    StorefrontCustomerIdentified,
    StorefrontOrderCancelled,
    StorefrontOrderCompleted,
    StorefrontOrderPlaced,
    StorefrontOrderRefunded,
    StorefrontOrderUpdated,
    StorefrontVisitRecorded,
    Visit,
)
from shared.migrations import upgrade_async
from tests.flows.tables import differences
from tests.flows.test_disorder import FACTS, comparable, start_recall
from tests.flows.world import DAY, START
from tests.support.databases import Admin
from tests.support.pipeline import Pipeline

Tables = dict[str, list[tuple[Any, ...]]]

CUSTOMERS = st.sampled_from(["anna", "bert", "cleo"])
MONEY = st.integers(0, 20_000)
# Long enough for somebody to fall silent and to be recalled.
AFTERWARDS = 45


class Life(RuleBasedStateMachine):
    """Notes what happens when, and on which day it is told; plays it three times when it is over."""

    orders: Bundle[Order] = Bundle("orders")
    events: Bundle[Event] = Bundle("events")

    def __init__(self, admin: Admin) -> None:
        super().__init__()
        self._admin = admin
        self._day = 0
        self._count = 0
        self._told: list[tuple[int, int, Event]] = []

    def _tell(self, kind: type[Any], data: Any, delay: int) -> Event:
        self._count += 1
        at = START + self._day * DAY + timedelta(minutes=self._count)
        event: Event = kind(id=f"e{self._count}", source="life", time=at, data=data)
        self._told.append((self._day, self._day + delay, event))
        return event

    delays = st.sampled_from([0, 0, 0, 3, 20, 40])

    @rule(target=events, who=CUSTOMERS, delay=delays)
    def comes(self, who: str, delay: int) -> Event:
        return self._tell(StorefrontVisitRecorded, Visit(person=Person(source_id=who), shop_id="north"), delay)

    @rule(who=CUSTOMERS, member=st.booleans(), delay=delays)
    def is_identified(self, who: str, member: bool, delay: int) -> None:
        data = Identification(person=Person(source_id=who), shop_id="north", member=member)
        self._tell(StorefrontCustomerIdentified, data, delay)

    @rule(target=orders, who=CUSTOMERS, total=MONEY, delay=delays, placed=st.booleans())
    def orders_something(self, who: str, total: int, delay: int, placed: bool) -> Order:
        person, number = Person(source_id=who), f"o{self._count}"
        order = Order(person=person, shop_id="north", order_id=number, total=total, currency="USD")
        if placed:
            self._tell(StorefrontOrderPlaced, order, delay)
        return order

    @rule(target=events, order=orders, delay=delays)
    def pays(self, order: Order, delay: int) -> Event:
        return self._tell(StorefrontOrderCompleted, order, delay)

    @rule(order=consumes(orders), total=MONEY, delay=delays, target=orders)
    def changes_an_order(self, order: Order, total: int, delay: int) -> Order:
        other = Order(
            person=order.person, shop_id=order.shop_id, order_id=order.order_id, total=total, currency=order.currency
        )
        self._tell(StorefrontOrderUpdated, other, delay)
        return other

    @rule(target=events, order=orders, amount=st.none() | MONEY, delay=delays)
    def gets_money_back(self, order: Order, amount: int | None, delay: int) -> Event:
        """Also for what was not paid yet, or will never be."""
        named: dict[str, Any] = {"person": order.person, "shop_id": order.shop_id, "order_id": order.order_id}
        data = Refund(**named, refund_id=f"r{self._count}", amount=amount)
        return self._tell(StorefrontOrderRefunded, data, delay)

    @rule(order=orders, delay=delays)
    def cancels(self, order: Order, delay: int) -> None:
        data = OrderReference(person=order.person, shop_id=order.shop_id, order_id=order.order_id)
        self._tell(StorefrontOrderCancelled, data, delay)

    @rule(target=events, event=events, delay=delays)
    def is_told_again(self, event: Event, delay: int) -> Any:
        self._told.append((self._day, self._day + delay, event))
        return multiple()

    @rule(days=st.sampled_from([1, 1, 7, 31]))
    def time_passes(self, days: int) -> None:
        self._day += days

    def teardown(self) -> None:
        if self._told:
            asyncio.run(self._compare())

    async def _compare(self) -> None:
        told = [(day, event) for _, day, event in self._told]
        in_order = await self._play(told, None)
        shuffled = await self._play(told, random.Random(1))
        assert not differences(comparable(in_order), comparable(shuffled))
        # Heard on the day on which it happened: decisions differ, facts do not.
        punctual = await self._play([(day, event) for day, _, event in self._told], None)
        assert not differences(_facts(in_order), _facts(punctual))

    async def _play(self, told: Sequence[tuple[int, Event]], disorder: random.Random | None) -> Tables:
        databases = {service: Database(await self._admin.fresh(service, upgrade_async)) for service in SERVICES}
        try:
            pipeline = Pipeline(databases, disorder)
            await pipeline.pass_to(START)
            await start_recall(pipeline)
            for day in self._days():
                pipeline.tell([event for on, event in told if on == day])
                await pipeline.pass_to(_end_of(day))
            return await pipeline.tables()
        finally:
            for database in databases.values():
                await database.close()
                await self._admin.drop(database.url)

    def _days(self) -> list[int]:
        """Those on which something is told, in whichever of the plays; and some after the last one."""
        last = max(day for _, day, _ in self._told) + AFTERWARDS
        return sorted({*(day for each in self._told for day in each[:2]), last, last + 1})


def _end_of(day: int) -> datetime:
    return START + (day + 1) * DAY


def _facts(tables: Tables) -> Tables:
    return {name: rows for name, rows in tables.items() if name.startswith(FACTS)}


def test_any_life_told_in_any_way_leaves_the_same_facts_and_decisions(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 28 to 30: permutations, repetitions, delays up to 40 days, a refund before its order"""
    monkeypatch.setattr("shared.ids.draw", lambda prefix: f"{prefix}_the_only_one")
    run_state_machine_as_test(
        lambda: Life(admin),  # pyright: ignore[reportArgumentType]  (called without arguments, as a class would be)
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
