"""The outbox: what was committed is published, in order, until it is acknowledged; a tick only behind all before it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from shared import outbox
from shared.database import Database, connect, execute, fetch
from shared.events import Event, Tick
from shared.events.coupons import CouponExpired, Expiry
from shared.events.profile import VisitFact, Visits, VisitsRecorded
from shared.outbox import Relay, RelayLost
from tests.conftest import FreshDatabase
from tests.support.doing import rows

T1 = datetime(2026, 1, 1, tzinfo=UTC)


def visit(number: int) -> tuple[str, Event]:
    data = Visits(visits=[VisitFact(visit_id=f"v{number}", customer_id="c", shop_id="s", visited_at=T1)])
    return f"key{number}", VisitsRecorded(id=f"v{number}", source="profile", time=T1, data=data)


class Broker:
    """Acknowledges what it is given, unless told to fail; remembers the order."""

    def __init__(self) -> None:
        self.log: list[str | datetime] = []
        self.sizes: list[int] = []
        self.failing = False
        self.acknowledged = asyncio.Event()

    async def publish(
        self, topic: str, messages: list[tuple[str, bytes]], tick: Tick | None = None, *, partitions: int | None = None
    ) -> None:
        assert partitions == 3
        assert topic == "profile-events"
        await asyncio.sleep(0)
        if self.failing:
            raise OSError("the broker is gone")
        self.log += [key for key, _ in messages]
        self.sizes.append(len(messages))
        if tick is not None:
            assert tick.partitions == 3
            self.log.append(tick.at)

    async def count_partitions(self, topic: str) -> int:
        del topic
        return 3


async def commit(database: Database, *numbers: int, tick_at: datetime | None = None) -> None:
    async with database.transaction() as session:
        session.info["service"] = "profile"
        outbox.emit(session, [visit(number) for number in numbers])
        await outbox.flush(session, tick_at)


async def relay_until_empty(database: Database, broker: Broker) -> None:
    task = asyncio.create_task(Relay(database, broker, "profile-events").run())
    async with asyncio.timeout(10):
        while await rows(database, "SELECT 1 FROM outbox"):
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_what_was_committed_is_published_in_order_and_then_forgotten(fresh_database: FreshDatabase) -> None:
    database, broker = await fresh_database("profile"), Broker()
    await commit(database, 1, 2)
    await commit(database, 3, tick_at=T1)
    await commit(database, 4)
    await relay_until_empty(database, broker)
    assert broker.log == ["key1", "key2", "key3", T1, "key4"]


async def test_much_is_published_in_pieces_and_the_tick_behind_the_last(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay holds a few thousand messages, however many rows of however many messages wait."""
    monkeypatch.setattr(outbox, "_AT_ONCE", 2)
    database, broker = await fresh_database("profile"), Broker()
    await commit(database, 1, 2, 3)
    await commit(database, 4, 5, tick_at=T1)
    await commit(database, 6)
    await relay_until_empty(database, broker)
    assert broker.log == ["key1", "key2", "key3", "key4", "key5", T1, "key6"]
    assert broker.sizes == [2, 2, 1, 1]


async def test_what_was_rolled_back_is_never_told(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            session.info["service"] = "profile"
            outbox.emit(session, [visit(1)])
            await outbox.flush(session)
            raise RuntimeError("no")
    assert await rows(database, "SELECT * FROM outbox") == []


async def test_a_service_cannot_tell_what_is_not_its_own(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    data = Expiry(coupon_id="c", code="x", campaign_id="c", customer_id="c", channel="c", expired_at=T1)
    async with database.transaction() as session:
        session.info["service"] = "profile"
        with pytest.raises(AssertionError, match="profile may not emit CouponExpired"):
            outbox.emit(session, [("c", CouponExpired(id="x", source="coupons", time=T1, data=data))])


async def test_unacknowledged_rows_stay_and_are_published_by_the_next_relay(fresh_database: FreshDatabase) -> None:
    database, broker = await fresh_database("profile"), Broker()
    await commit(database, 1, tick_at=T1)
    broker.failing = True
    with pytest.raises(RelayLost):
        await Relay(database, broker, "profile-events").run()
    assert len(await rows(database, "SELECT * FROM outbox")) == 1
    broker.failing = False
    await relay_until_empty(database, broker)
    assert broker.log == ["key1", T1]


async def test_a_row_committed_late_under_an_earlier_id_is_not_skipped(fresh_database: FreshDatabase) -> None:
    """Ids are given before commit: a relay that looks for ids greater than its last one would lose this row."""
    database, broker = await fresh_database("profile"), Broker()
    slow = await connect(database.url)
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("INSERT INTO outbox (events, messages) VALUES (1, $1)", outbox.pack([("slow", b"x")]))
    await commit(database, 2)
    await relay_until_empty(database, broker)
    await transaction.commit()
    await slow.close()
    await relay_until_empty(database, broker)
    assert broker.log == ["key2", "slow"]


async def test_only_one_relay_publishes(fresh_database: FreshDatabase) -> None:
    database, brokers = await fresh_database("profile"), [Broker(), Broker()]
    tasks = [asyncio.create_task(Relay(database, broker, "profile-events").run()) for broker in brokers]
    for number in range(30):
        await commit(database, number)
    await asyncio.sleep(1.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(len(broker.log) for broker in brokers) == [0, 30]


async def test_a_relay_that_stands_by_keeps_nothing_from_being_cleared_away(fresh_database: FreshDatabase) -> None:
    """I15: a statement that waits for a lock for days would hold a snapshot of the first of them"""
    database = await fresh_database("profile")
    tasks = [asyncio.create_task(Relay(database, Broker(), "profile-events").run()) for _ in range(2)]
    await asyncio.sleep(1.2)
    old = await rows(
        database,
        """SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND xact_start < clock_timestamp() - interval '1 second'""",
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert old == []


async def test_a_relay_whose_session_is_lost_ends(fresh_database: FreshDatabase) -> None:
    database, broker = await fresh_database("profile"), Broker()
    task = asyncio.create_task(Relay(database, broker, "profile-events").run())
    await commit(database, 1)
    await asyncio.sleep(0.3)
    async with database.transaction() as session:
        holders = await fetch(session, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        await execute(session, "SELECT pg_terminate_backend($1)", holders[0]["pid"])
    with pytest.raises(RelayLost):
        await asyncio.wait_for(task, 5)


async def test_the_oldest_rows_go_first_even_when_there_are_many(fresh_database: FreshDatabase) -> None:
    database, broker = await fresh_database("profile"), Broker()
    for number in range(450):
        await commit(database, number, tick_at=T1 + timedelta(seconds=number) if number % 50 == 0 else None)
    await relay_until_empty(database, broker)
    assert [each for each in broker.log if isinstance(each, str)] == [f"key{number}" for number in range(450)]
