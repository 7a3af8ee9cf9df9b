"""The clock: never later than the data, moved once, whatever is due done first."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from shared import inbox, outbox
from shared.clock import BEGINNING
from shared.database import Database, Session, execute, fetch_value
from shared.timekeeper import Now, Timekeeper
from tests.conftest import FreshDatabase
from tests.support.doing import rows, see

T1 = datetime(2026, 1, 1, tzinfo=UTC)
T2 = T1 + timedelta(days=1)
TOPICS = ["orders", "visits"]


class Decider:
    """Decides in `chunks` transactions and remembers what it was asked."""

    def __init__(self, chunks: int = 1) -> None:
        self.asked: list[Now] = []
        self._chunks = chunks

    async def __call__(self, session: Session, now: Now) -> bool:
        del session
        self.asked.append(now)
        return len(self.asked) % self._chunks == 0


def keeper(database: Database, decider: Decider) -> Timekeeper:
    return Timekeeper(database, {"service": "profile"}, TOPICS, decider, tells=True)


async def test_the_clock_stands_until_every_topic_has_ticked(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider()
    await see(database, "orders", 0, T1)
    assert await keeper(database, decider).run() == BEGINNING
    await see(database, "visits", 0, T1)
    assert await keeper(database, decider).run() == T1
    assert decider.asked == [Now(at=T1, previous=BEGINNING)]


async def test_a_partition_that_was_never_read_holds_the_clock(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider()
    await see(database, "visits", 0, T1)
    await see(database, "orders", 0, T1, partitions=2)
    assert await keeper(database, decider).run() == BEGINNING
    async with database.transaction() as session:
        await inbox.add_position(session, ("orders", 1), 0)
    assert await keeper(database, decider).run() == BEGINNING
    await see(database, "orders", 1, T1, partitions=2)
    assert await keeper(database, decider).run() == T1


async def test_the_clock_is_the_smallest_tick_of_all_partitions(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider()
    await see(database, "orders", 0, T2)
    await see(database, "visits", 0, T1)
    assert await keeper(database, decider).run() == T1
    await see(database, "visits", 0, T2)
    assert await keeper(database, decider).run() == T2
    assert [now.previous for now in decider.asked] == [BEGINNING, T1]


async def test_a_clock_that_cannot_move_is_given_back_and_nothing_waits_for_the_disk(
    fresh_database: FreshDatabase,
) -> None:
    database, decider = await fresh_database("profile"), Decider()
    await see(database, "orders", 0, T1)
    await keeper(database, decider).run()
    # Whoever locked the row last.
    [row] = await rows(database, "SELECT pg_xact_status(xmax::text::xid8) AS outcome FROM clock")
    assert row["outcome"] == "aborted"


async def test_large_work_is_done_in_chunks_and_the_tick_told_once_behind_them(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider(chunks=3)
    await see(database, "orders", 0, T1)
    await see(database, "visits", 0, T1)
    assert await keeper(database, decider).run() == T1
    assert len(decider.asked) == 3
    assert [row["tick_at"] for row in await rows(database, "SELECT tick_at FROM outbox")] == [T1]


async def test_a_decision_that_fails_moves_neither_clock_nor_outbox(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await see(database, "orders", 0, T1)
    await see(database, "visits", 0, T1)

    async def fail(session: Session, now: Now) -> bool:
        await execute(session, "INSERT INTO visits VALUES ('v', 'c', 's', $1)", now.at)
        await outbox.flush(session, tick_at=now.at)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        await Timekeeper(database, {"service": "profile"}, TOPICS, fail, tells=True).run()
    assert await rows(database, "SELECT * FROM visits") == []
    assert await rows(database, "SELECT * FROM outbox") == []
    assert (await rows(database, "SELECT at FROM clock"))[0]["at"] == BEGINNING


async def join(database: Database, decider: Decider) -> datetime | None:
    async with database.transaction() as session:
        session.info["service"] = "profile"
        return await keeper(database, decider).join(session)


async def test_the_clock_moves_in_the_transaction_that_brought_the_last_tick(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider()
    await see(database, "orders", 0, T1)
    assert await join(database, decider) == BEGINNING, "one topic has not ticked"
    await see(database, "visits", 0, T1)
    assert await join(database, decider) == T1
    assert await rows(database, "SELECT at FROM clock") == [{"at": T1}]
    assert decider.asked == [Now(at=T1, previous=BEGINNING)]


async def test_a_batch_never_waits_for_the_clock_that_another_worker_moves(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider()
    for topic in TOPICS:
        await see(database, topic, 0, T1)
    async with database.transaction() as other:
        await execute(other, "SELECT 1 FROM clock FOR UPDATE")
        assert await join(database, decider) is None, "left to a transaction that may wait"
    assert await join(database, decider) == T1


async def test_what_is_left_of_a_large_decision_is_not_taken_for_the_whole(fresh_database: FreshDatabase) -> None:
    database, decider = await fresh_database("profile"), Decider(chunks=2)
    for topic in TOPICS:
        await see(database, topic, 0, T1)
    assert await join(database, decider) is None
    assert await rows(database, "SELECT at FROM clock") == [{"at": BEGINNING}]
    assert await keeper(database, decider).run() == T1


class Divider:
    """Divides each tick into `count` pieces; whoever has taken one calls `work`."""

    def __init__(self, count: int, work: Callable[[], Awaitable[None]]) -> None:
        self.decided: list[Now] = []
        self._count = count
        self._work = work

    async def decide(self, session: Session, now: Now) -> bool:
        del now
        await execute(session, "CREATE TABLE IF NOT EXISTS pieces (piece int)")
        if await fetch_value(session, "SELECT EXISTS (SELECT FROM pieces)"):
            return False
        if len(self.decided) < self._count:
            await execute(session, "INSERT INTO pieces SELECT generate_series(1, $1::int)", self._count)
        return len(self.decided) >= self._count

    async def decide_piece(self, session: Session, now: Now) -> bool:
        free = "SELECT ctid FROM pieces LIMIT 1 FOR UPDATE SKIP LOCKED"
        if not await execute(session, f"DELETE FROM pieces WHERE ctid = ({free})"):
            return False
        await self._work()
        self.decided.append(now)
        return True

    def keeper(self, database: Database) -> Timekeeper:
        info = {"service": "profile"}
        return Timekeeper(database, info, TOPICS, self.decide, tells=True, decide_piece=self.decide_piece)


async def test_pieces_of_a_tick_are_decided_at_the_same_time_and_the_tick_told_once_behind_them(
    fresh_database: FreshDatabase,
) -> None:
    database = await fresh_database("profile")
    for topic in TOPICS:
        await see(database, topic, 0, T1)
    both_are_here = asyncio.Barrier(2)

    async def work() -> None:
        await both_are_here.wait()

    divider = Divider(2, work)
    async with asyncio.timeout(20):
        clocks = await asyncio.gather(*(divider.keeper(database).run() for _ in range(2)))
    assert clocks == [T1, T1]
    assert divider.decided == 2 * [Now(at=T1, previous=BEGINNING)]
    assert [row["tick_at"] for row in await rows(database, "SELECT tick_at FROM outbox")] == [T1]


async def test_the_clock_stands_as_long_as_somebody_decides_a_piece(fresh_database: FreshDatabase) -> None:
    """Or they would decide a piece of another tick than they think, having stood still for a while."""
    database = await fresh_database("profile")
    for topic in TOPICS:
        await see(database, topic, 0, T1)
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await may_end.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Divider(1, work).keeper(database).run())
        await begun.wait()
        other = tasks.create_task(keeper(database, Decider()).run())
        await asyncio.sleep(0.3)
        assert not other.done()
        assert await rows(database, "SELECT at FROM clock") == [{"at": BEGINNING}]
        may_end.set()
    assert other.result() == T1


async def test_a_piece_whose_decision_fails_is_there_for_the_next(fresh_database: FreshDatabase) -> None:
    database, tries = await fresh_database("profile"), list[int]()
    for topic in TOPICS:
        await see(database, topic, 0, T1)

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) == 2:
            raise RuntimeError("broken")

    divider = Divider(3, work)
    with pytest.raises(RuntimeError):
        await divider.keeper(database).run()
    assert len(await rows(database, "SELECT * FROM pieces")) == 2, "the first is done, the second is not"
    assert await divider.keeper(database).run() == T1
    assert len(divider.decided) == 3
