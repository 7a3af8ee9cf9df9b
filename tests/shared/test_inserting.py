"""Rows of which nearly always all are new: plainly or with care, the same rows are there."""

from collections.abc import Iterable

import pytest

from shared.database import Database, as_array, execute, sql_state, unnest
from shared.inserting import ENOUGH, WARY, Insert
from tests.conftest import FreshDatabase
from tests.support.doing import rows

_PLAIN = f"""INSERT INTO visits (visit_id, customer_id, shop_id, visited_at)
             SELECT c1, 'anna', 'north', now() FROM {unnest("text")}"""


def _insert() -> Insert:
    return Insert(plain=_PLAIN, careful=f"{_PLAIN} ON CONFLICT DO NOTHING RETURNING visit_id")


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    return await fresh_database("profile")


async def _run(database: Database, insert: Insert, visits: Iterable[str | None]) -> set[str] | None:
    """The visits that were new, or None when the statement did not look."""
    ids = list(visits)
    async with database.transaction() as session:
        found = await insert.run(session, len(ids), as_array(ids))
    return None if found is None else {row["visit_id"] for row in found}


async def _stored(database: Database) -> set[str]:
    return {row["visit_id"] for row in await rows(database, "SELECT visit_id FROM visits")}


def _visits(first: int, count: int = ENOUGH) -> set[str]:
    return {f"visit-{number}" for number in range(first, first + count)}


async def test_a_large_batch_of_new_rows_is_not_looked_up(database: Database) -> None:
    assert await _run(database, _insert(), _visits(0)) is None
    assert await _stored(database) == _visits(0)


async def test_one_known_row_among_many_changes_nothing_for_the_others(database: Database) -> None:
    insert = _insert()
    await _run(database, insert, _visits(0))
    later = _visits(ENOUGH - 1)
    assert await _run(database, insert, later) == later - _visits(0)
    assert await _stored(database) == _visits(0) | later


async def test_after_a_known_row_large_batches_are_inserted_with_care_for_a_while(database: Database) -> None:
    insert = _insert()
    await _run(database, insert, _visits(0))
    assert await _run(database, insert, _visits(0)) == set()
    for number in range(1, WARY + 1):
        new = _visits(number * ENOUGH)
        assert await _run(database, insert, new) == new
    assert await _run(database, insert, _visits((WARY + 1) * ENOUGH)) is None


async def test_a_small_batch_is_inserted_with_care(database: Database) -> None:
    few = _visits(0, ENOUGH - 1)
    assert await _run(database, _insert(), few) == few


async def test_what_went_before_in_the_transaction_stays(database: Database) -> None:
    insert = _insert()
    async with database.transaction() as session:
        await execute(session, "INSERT INTO visits VALUES ('before', 'c', 's', now()), ('visit-1', 'c', 's', now())")
        found = await insert.run(session, ENOUGH, as_array(sorted(_visits(0))))
    assert found is not None
    assert len(found) == ENOUGH - 1
    assert await _stored(database) == _visits(0) | {"before"}


async def test_rows_that_break_another_rule_are_refused(database: Database) -> None:
    with pytest.raises(Exception, match="not-null") as refused:
        await _run(database, _insert(), [*_visits(0), None])
    assert sql_state(refused.value) == "23502"
    assert await _stored(database) == set()
