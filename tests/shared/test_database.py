"""Sessions: one transaction each, alive again when the server is."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.database import (
    Database,
    as_array,
    as_columns,
    connect,
    execute,
    fetch,
    fetch_value,
    is_transient,
    savepoint,
    unnest,
)
from tests.conftest import FreshDatabase
from tests.support.doing import rows


async def test_nothing_is_committed_before_the_block_ends(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    async with database.transaction() as session:
        await execute(session, "INSERT INTO visits VALUES ('v', 'c', 's', now())")
        assert await rows(database, "SELECT * FROM visits") == []
    assert len(await rows(database, "SELECT * FROM visits")) == 1


async def test_a_block_that_raises_leaves_nothing(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    with pytest.raises(RuntimeError):
        async with database.transaction() as session:
            await execute(session, "INSERT INTO visits VALUES ('v', 'c', 's', now())")
            raise RuntimeError
    assert await rows(database, "SELECT * FROM visits") == []


async def test_a_savepoint_undoes_only_its_own_block(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    async with database.transaction() as session:
        await execute(session, "INSERT INTO visits VALUES ('kept', 'c', 's', now())")
        with pytest.raises(RuntimeError):
            async with savepoint(session):
                await execute(session, "INSERT INTO visits VALUES ('undone', 'c', 's', now())")
                raise RuntimeError
    assert [row["visit_id"] for row in await rows(database, "SELECT visit_id FROM visits")] == ["kept"]


async def test_connections_that_died_in_the_pool_are_replaced(fresh_database: FreshDatabase) -> None:
    """Row 12 of the fault list, as far as the pool goes"""
    database = await fresh_database("profile")
    await asyncio.gather(*(_ask(database) for _ in range(5)))
    killer = await connect(database.url)
    await killer.execute(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE pid <> pg_backend_pid() AND datname = current_database()"""
    )
    await killer.close()
    assert await asyncio.gather(*(_ask(database) for _ in range(5))) == [1] * 5


async def _ask(database: Database) -> int:
    async with database.transaction() as session:
        await execute(session, "SELECT pg_sleep(0.05)")
        return await fetch_value(session, "SELECT 1")


async def test_who_works_in_batches_plans_a_statement_without_a_look_at_its_values(
    fresh_database: FreshDatabase,
) -> None:
    database = await fresh_database("profile")
    batches = Database(database.url, size=1, for_batches=True)
    async with batches.transaction() as session:
        await fetch_value(session, "SELECT count(*) FROM visits WHERE visit_id = $1", "v")
        planned = "SELECT custom_plans FROM pg_prepared_statements WHERE statement LIKE 'SELECT count(%'"
        assert await fetch_value(session, planned) == 0
    await batches.close()


@pytest.mark.parametrize(
    "texts",
    [
        ["plain", "", "NULL", "null", " ", "a,b", "{}", "ünïcode 🎉", "it's", "\x7f"],
        ['say "hi"', "back\\slash", "\\n", "line\nbreak", "tab\t", "\x01", "", "NULL", "a,b", '{"', "\u2028"],
        [],
    ],
)
async def test_an_array_of_texts_arrives_as_it_was(fresh_database: FreshDatabase, texts: list[str]) -> None:
    found = await rows(await fresh_database("profile"), "SELECT $1::text::text[] AS texts", as_array(texts))
    assert found[0]["texts"] == texts


async def test_rows_arrive_as_they_were_whatever_is_missing(fresh_database: FreshDatabase) -> None:
    told = [("a", None, None, 1, True), ('{"b": "\\"}', None, b"\x00\xff", None, None), ("c\n", None, b"", 2, False)]
    as_text = [(*row[:2], None if row[2] is None else "\\x" + row[2].hex(), *row[3:]) for row in told]
    sql = f"SELECT * FROM {unnest('text timestamptz bytea int bool')} AS t(a, b, c, d, e)"
    found = await rows(await fresh_database("profile"), sql, *as_columns(as_text))
    assert [tuple(row.values()) for row in found] == told


async def test_an_array_of_instants_arrives_as_it_was(fresh_database: FreshDatabase) -> None:
    instants = [
        datetime(2, 1, 1, tzinfo=UTC),
        datetime(2025, 6, 1, 12, 30, 1, 999_999, tzinfo=timezone(timedelta(hours=2))),
    ]
    found = await rows(await fresh_database("profile"), "SELECT $1::text::timestamptz[] AS at", as_array(instants))
    assert found[0]["at"] == instants


async def test_a_server_that_goes_away_is_told_from_data_that_it_refuses(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    with pytest.raises(Exception) as refused:  # noqa: PT011
        async with database.transaction() as session:
            await fetch(session, "SELECT 1 / 0")
    assert not is_transient(refused.value)
    with pytest.raises(Exception) as gone:  # noqa: PT011
        async with database.transaction() as session:
            await execute(session, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert is_transient(gone.value)
    with pytest.raises(OSError, match="Connect") as absent:
        async with Database("postgresql://nobody@127.0.0.1:1/nothing").transaction():
            pass
    assert is_transient(absent.value)


def test_no_rows_are_no_columns_and_said_so() -> None:
    """The driver would take the missing parameters for a fault of the connection, to be tried again for ever."""
    with pytest.raises(ValueError, match="no rows"):
        as_columns([])
