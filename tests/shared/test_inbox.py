"""Positions: moved together with the effects, or not at all."""

from datetime import UTC, datetime

import pytest

from shared import inbox
from shared.database import Database, execute
from shared.inbox import Overtaken, Step
from tests.conftest import FreshDatabase
from tests.support.doing import rows

T1 = datetime(2026, 1, 1, tzinfo=UTC)


async def begun(fresh_database: FreshDatabase) -> Database:
    database = await fresh_database("profile")
    async with database.transaction() as session:
        await inbox.add_position(session, ("orders", 0), 7)
        await inbox.add_position(session, ("orders", 1), 0)
    return database


async def positions(database: Database) -> dict[int, int]:
    return {row["partition"]: row["next_offset"] for row in await rows(database, "SELECT * FROM inbox")}


async def test_positions_move_when_they_are_where_we_left_them(fresh_database: FreshDatabase) -> None:
    database = await begun(fresh_database)
    async with database.transaction() as session:
        await inbox.advance(session, {("orders", 0): Step(7, 10, applied=2, ticks=1, tick_at=T1, tick_partitions=2)})
    [row] = await rows(database, "SELECT * FROM inbox WHERE partition = 0")
    assert row["first_offset"] + row["applied"] + row["parked"] + row["ticks"] == row["next_offset"] == 10
    assert (row["tick_at"], row["tick_partitions"]) == (T1, 2)


async def test_who_was_overtaken_moves_nothing_and_leaves_no_effect(fresh_database: FreshDatabase) -> None:
    database = await begun(fresh_database)
    with pytest.raises(Overtaken):
        async with database.transaction() as session:
            await execute(session, "INSERT INTO visits VALUES ('v', 'c', 's', now())")
            await inbox.advance(session, {("orders", 0): Step(7, 9), ("orders", 1): Step(3, 4)})
    assert await positions(database) == {0: 7, 1: 0}
    assert await rows(database, "SELECT * FROM visits") == []


async def test_a_partition_is_begun_only_once(fresh_database: FreshDatabase) -> None:
    database = await begun(fresh_database)
    async with database.transaction() as session:
        await inbox.add_position(session, ("orders", 0), 99)
    assert await positions(database) == {0: 7, 1: 0}


async def test_a_tick_never_moves_back(fresh_database: FreshDatabase) -> None:
    database = await begun(fresh_database)
    earlier = T1.replace(year=2025)
    for offset, tick in ((7, T1), (8, earlier)):
        async with database.transaction() as session:
            step = Step(offset, offset + 1, ticks=1, tick_at=tick, tick_partitions=2)
            await inbox.advance(session, {("orders", 0): step})
    [row] = await rows(database, "SELECT tick_at FROM inbox WHERE partition = 0")
    assert row["tick_at"] == T1
