"""What profile knows after events, on a real database. Rows DP1, DP2, DP6, and which orders count (section 15)."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.profile.consumers import consumers
from shared.consuming import by_type
from shared.database import Database
from shared.events import Event
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, ProfileUpdated, VisitsRecorded
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
from shared.inserting import ENOUGH
from tests.conftest import FreshDatabase
from tests.support.doing import IDS, apply, rows, told

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def order(kind: Any, number: int, *, at: int, total: int = 1000, person: str = "anna", currency: str = "USD") -> Any:
    data = Order(person=Person(source_id=person), shop_id="s", order_id=f"o{number}", total=total, currency=currency)
    return kind(id=f"{kind.__name__}-{number}-{at}", source="shop", time=T0 + at * HOUR, data=data)


def paid(number: int, *, at: int = 1, **more: Any) -> StorefrontOrderCompleted:
    return order(StorefrontOrderCompleted, number, at=at, **more)


def refund(number: int, amount: int | None, *, refund_id: str = "r1", at: int = 9) -> StorefrontOrderRefunded:
    person = Person(source_id="anna")
    data = Refund(person=person, shop_id="s", order_id=f"o{number}", refund_id=refund_id, amount=amount)
    return StorefrontOrderRefunded(id=f"{refund_id}-{number}-{at}", source="shop", time=T0 + at * HOUR, data=data)


def cancel(number: int, *, at: int = 9) -> StorefrontOrderCancelled:
    data = OrderReference(person=Person(source_id="anna"), shop_id="s", order_id=f"o{number}")
    return StorefrontOrderCancelled(id=f"cancel-{number}", source="shop", time=T0 + at * HOUR, data=data)


def visit(number: int, *, at: int = 1, **person: str) -> StorefrontVisitRecorded:
    data = Visit(person=Person(**(person or {"source_id": "anna"})), shop_id="s")
    return StorefrontVisitRecorded(id=f"visit-{number}", source="shop", time=T0 + at * HOUR, data=data)


def identified(number: int, member: bool | None, *, at: int) -> StorefrontCustomerIdentified:
    more: dict[str, Any] = {} if member is None else {"member": member}
    data = Identification(person=Person(source_id="anna"), shop_id="s", **more)
    return StorefrontCustomerIdentified(id=f"identified-{number}", source="shop", time=T0 + at * HOUR, data=data)


async def hear(database: Database, *events: Event) -> None:
    await apply(database, "profile", consumers, events)


async def facts(database: Database) -> list[tuple[Any, ...]]:
    """All that is known, without versions."""
    found = await rows(
        database,
        """SELECT source_id, anonymous_id, coalesce(member, false) AS member, orders, visits, first_order_at,
                  last_order_at, first_visit_at, last_visit_at,
                  (SELECT array_agg((currency, s.orders, paid_amount)::text ORDER BY currency) FROM customer_spend s
                   WHERE s.customer_id = c.customer_id AND s.orders > 0) AS spend
           FROM customers c ORDER BY customer_id""",
    )
    orders = await rows(
        database,
        """SELECT order_key, total, currency, paid_at, cancelled_at, refunds, refund_total, refunds_all, counted
           FROM orders ORDER BY order_key""",
    )
    return [tuple(row.values()) for row in found + orders]


async def spend(database: Database) -> list[tuple[int, int]]:
    return [(row["orders"], row["paid_amount"]) for row in await rows(database, "SELECT * FROM customer_spend")]


async def test_a_paid_order_is_counted_once_however_often_it_is_told(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, paid(1), paid(2), paid(1))
    await hear(database, paid(2))
    assert await spend(database) == [(2, 2000)]
    events = await told(database)
    assert len([event for event in events if isinstance(event, OrderPaid)]) == 2
    assert [event for event in events if isinstance(event, ProfileUpdated)][-1].data.orders == 2


@pytest.mark.parametrize("kept", [True, False])
async def test_an_order_that_two_workers_hear_of_at_once_is_one(fresh_database: FreshDatabase, kept: bool) -> None:
    """The other one waits for whoever was first: then it is there to be changed, or it was never added."""
    database = await fresh_database("profile")
    other: asyncio.Task[None] | None = None
    with suppress(ZeroDivisionError):
        async with database.transaction() as session:
            session.info.update({"service": "profile", "ids": IDS})
            await consumers.handle(session, by_type([paid(1, at=2), paid(2, at=2)]))
            other = asyncio.create_task(hear(database, paid(3, at=1), paid(2, at=1), paid(1, at=1)))
            await until_somebody_waits(database)
            if not kept:
                raise ZeroDivisionError
    assert other is not None
    await other
    assert await spend(database) == [(3, 3000)]
    found = await rows(database, "SELECT paid_at FROM orders")
    assert [row["paid_at"] for row in found] == 3 * [T0 + HOUR]


async def until_somebody_waits(database: Database) -> None:
    async with asyncio.timeout(20):
        while not await rows(database, "SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


async def test_a_customer_is_told_once_for_each_batch_that_changed_them(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, *(visit(number) for number in range(50)), paid(1))
    updates = [event for event in await told(database) if isinstance(event, ProfileUpdated)]
    assert [(event.data.visits, event.data.orders) for event in updates] == [(50, 1)]


async def test_what_is_known_of_a_large_batch_counts_once(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    some = [event for number in range(ENOUGH) for event in (visit(number, source_id="anna"), paid(number))]
    await hear(database, *some)
    await hear(database, *some[2:], visit(ENOUGH, source_id="anna"), paid(ENOUGH))
    [customer] = await rows(database, "SELECT orders, visits FROM customers")
    assert customer == {"orders": ENOUGH + 1, "visits": ENOUGH + 1}
    assert await spend(database) == [(ENOUGH + 1, 1000 * (ENOUGH + 1))]


async def test_versions_only_rise(fresh_database: FreshDatabase) -> None:
    """I7"""
    database = await fresh_database("profile")
    for number in range(5):
        await hear(database, paid(number))
    versions = [event.data.version for event in await told(database) if isinstance(event, ProfileUpdated)]
    assert versions == sorted(set(versions))


async def test_an_unpaid_order_is_a_visit_and_no_order(fresh_database: FreshDatabase) -> None:
    """LC1"""
    database = await fresh_database("profile")
    await hear(database, order(StorefrontOrderPlaced, 1, at=1))
    [customer] = await rows(database, "SELECT orders, visits FROM customers")
    assert customer == {"orders": 0, "visits": 1}
    assert [type(event) for event in await told(database)] == [VisitsRecorded, ProfileUpdated]


async def test_refunds_add_up_to_at_most_what_was_paid(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, paid(1), paid(2), refund(1, 400, refund_id="a"), refund(1, 400, refund_id="a", at=10))
    assert await spend(database) == [(2, 1600)]
    await hear(database, refund(1, 5_000, refund_id="b"))
    assert await spend(database) == [(1, 1000)]
    [state] = [event.data for event in await told(database) if isinstance(event, OrderRefunded)][-1:]
    assert (state.refunded_amount, state.counted) == (1000, False)


async def test_a_refund_of_nothing_makes_a_free_order_wholly_refunded(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, paid(1, total=0), paid(2, total=0))
    assert await spend(database) == [(2, 0)]
    await hear(database, refund(1, 0))
    assert await spend(database) == [(1, 0)]


async def test_a_refund_without_amount_gives_back_all_that_is_left(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, paid(1), refund(1, 300, refund_id="a"), refund(1, None, refund_id="b"))
    assert await spend(database) == [(0, 0)]


async def test_a_cancelled_order_never_counts(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, cancel(1, at=0), paid(1), paid(2))
    await hear(database, cancel(2))
    assert await spend(database) == [(0, 0)]
    states = [event.data for event in await told(database) if isinstance(event, OrderCancelled)]
    assert [(state.order_id, state.counted) for state in states] == [("o1", False), ("o2", False)]
    [customer] = await rows(database, "SELECT first_order_at, last_order_at FROM customers")
    assert customer == {"first_order_at": None, "last_order_at": None}


async def test_first_and_last_order_are_those_that_still_count(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, paid(1, at=1), paid(2, at=2), paid(3, at=3))
    await hear(database, refund(1, None), cancel(3))
    [customer] = await rows(database, "SELECT first_order_at, last_order_at FROM customers")
    assert customer["first_order_at"] == customer["last_order_at"] == T0 + 2 * HOUR


async def test_fields_are_the_latest_told_and_instants_the_earliest(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, order(StorefrontOrderUpdated, 1, at=5, total=700), paid(1, at=3), paid(1, at=2, total=900))
    [row] = await rows(database, "SELECT total, paid_at FROM orders")
    assert row == {"total": 700, "paid_at": T0 + 2 * HOUR}
    assert await spend(database) == [(1, 700)]


async def test_currencies_are_never_added_to_each_other(fresh_database: FreshDatabase) -> None:
    """I5"""
    database = await fresh_database("profile")
    await hear(database, paid(1), paid(2, currency="EUR", total=50))
    update = [event for event in await told(database) if isinstance(event, ProfileUpdated)][-1].data
    assert [(each.currency, each.paid_amount) for each in update.spend] == [("EUR", 50), ("USD", 1000)]
    assert update.orders == 2


async def test_membership_is_what_was_told_last(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, identified(2, True, at=2), identified(1, False, at=1), identified(3, None, at=3))
    assert (await rows(database, "SELECT member FROM customers"))[0]["member"] is True


async def test_an_order_goes_to_whoever_was_named_last(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, order(StorefrontOrderPlaced, 1, at=1, person="guest"), paid(1, at=2, person="guest"))
    await hear(database, order(StorefrontOrderUpdated, 1, at=3, person="anna"))
    found = {row["source_id"]: row["orders"] for row in await rows(database, "SELECT source_id, orders FROM customers")}
    assert found == {"guest": 0, "anna": 1}


async def test_a_visit_without_any_identifier_makes_no_profile(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    nobody = StorefrontVisitRecorded(id="v", source="shop", time=T0, data=Visit(person=Person(), shop_id="s"))
    await hear(database, nobody, visit(2, anonymous_id="browser"))
    assert [row["anonymous_id"] for row in await rows(database, "SELECT anonymous_id FROM customers")] == ["browser"]


async def test_the_same_identifier_in_two_id_spaces_is_two_customers(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await hear(database, visit(1, source_id="1"), visit(2, source_id="1", platform="app"), visit(3, anonymous_id="1"))
    assert len(await rows(database, "SELECT * FROM customers")) == 3


EVENTS = st.lists(
    st.one_of(
        st.builds(
            lambda n, at, total: paid(n, at=at, total=total), st.integers(1, 3), st.integers(0, 5), st.integers(0, 900)
        ),
        st.builds(lambda n, at: order(StorefrontOrderPlaced, n, at=at), st.integers(1, 3), st.integers(0, 5)),
        st.builds(
            lambda n, at: order(StorefrontOrderUpdated, n, at=at, total=50), st.integers(1, 3), st.integers(0, 5)
        ),
        st.builds(
            lambda n, amount, name: refund(n, amount, refund_id=name),
            st.integers(1, 3),
            st.sampled_from([None, 0, 30, 400]),
            st.sampled_from(["a", "b"]),
        ),
        st.builds(cancel, st.integers(1, 3)),
        st.builds(visit, st.integers(1, 3)),
        st.builds(
            lambda n, member, at: identified(n, member, at=at), st.integers(1, 3), st.booleans(), st.integers(0, 5)
        ),
    ),
    max_size=12,
    unique_by=lambda event: event.id,
)


@pytest.fixture
async def two_databases(fresh_database: FreshDatabase) -> tuple[Database, Database]:
    return await fresh_database("profile"), await fresh_database("profile")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 5))
async def test_facts_are_the_same_in_any_order_and_any_batches_and_twice(
    two_databases: tuple[Database, Database], events: list[Event], dice: random.Random, size: int
) -> None:
    """P8, rows 28 to 30 of the fault list"""
    one, other = two_databases
    for database in two_databases:
        await rows(database, "TRUNCATE customers, customer_spend, orders, refunds, visits, outbox")
    if events:
        await hear(one, *events)
    shuffled = events + dice.sample(events, len(events) // 2)
    dice.shuffle(shuffled)
    for start in range(0, len(shuffled), size):
        await hear(other, *shuffled[start : start + size])
    assert await facts(one) == await facts(other)
