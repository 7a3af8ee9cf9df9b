"""A tick of many customers: divided into pieces, which all workers decide at once, with one outcome."""

import asyncio
from datetime import datetime
from typing import Any

import pytest

from services.segmentation.actions import settling
from services.segmentation.timers import on_piece, on_tick
from shared import topics
from shared.clock import BEGINNING
from shared.database import Database, execute
from shared.events import Event
from shared.timekeeper import Now, Timekeeper
from tests.conftest import FreshDatabase
from tests.segmentation import given
from tests.segmentation.given import Shop, apply, day, flips, make_segment, order, stage_changes, tick
from tests.support.doing import IDS, rows, see, told

SILENT = {"field": "stage", "op": "eq", "value": "silent"}


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    return await fresh_database("segmentation")


def worker(database: Database, piece: int) -> Timekeeper:
    info = {"service": "segmentation", "ids": IDS, "tick_piece": piece}
    return Timekeeper(database, info, [topics.PROFILE], on_tick, tells=True, decide_piece=on_piece)


async def divide(database: Database, at: datetime, piece: int) -> None:
    """The tick is divided, and no piece decided yet."""
    await see(database, topics.PROFILE, 0, at)
    async with database.transaction() as session:
        session.info.update({"service": "segmentation", "ids": IDS, "tick_piece": piece})
        assert await worker(database, piece).join(session) is None


async def decide(database: Database, at: datetime, workers: int, piece: int) -> list[Event]:
    """So many workers decide the tick at once; what they told."""
    await see(database, topics.PROFILE, 0, at)
    clocks = await asyncio.gather(*(worker(database, piece).run() for _ in range(workers)))
    assert clocks == [at] * workers
    return await told(database)


def said(events: list[Event]) -> list[tuple[Any, ...]]:
    """Of whom what is told, whatever order the pieces were told in; the id says which change it is."""
    return sorted((event.subject, type(event).__name__, event.id.rsplit(":", 1)[-1], event.time) for event in events)


async def played(database: Database, workers: int, piece: int) -> list[object]:
    """New customers, then some who come again and many for whom time alone does something; all that was told."""
    found: list[object] = []
    await make_segment(database, SILENT)
    shops = {f"c{number:02}": Shop(number * 10) for number in range(40)}
    await apply(database, *(event for name, shop in shops.items() for event in shop.buys(name, 0.5)))
    found.append(said(await decide(database, day(1), workers, piece)))
    for name in ("c03", "c17", "c39"):
        await apply(database, *shops[name].visits_at(name, 20), *shops[name].buys(name, 25))
    for at in (31, 60, 200):
        found.append(said(await decide(database, day(at), workers, piece)))
    return [
        *found,
        await rows(database, "SELECT customer_id, since, until, stage FROM lifecycle_history ORDER BY 1, 2"),
        await rows(database, "SELECT customer_id, stage, due_at FROM lifecycle_states ORDER BY 1"),
        await rows(database, "SELECT customer_id FROM memberships ORDER BY 1"),
        await rows(database, "SELECT customer_id, due_at FROM memberships_due ORDER BY 1"),
        await rows(database, "SELECT customer_ids FROM marks"),
    ]


async def test_however_many_workers_decide_a_tick_in_whatever_pieces_the_outcome_is_one(
    fresh_database: FreshDatabase,
) -> None:
    expected = await played(await fresh_database("segmentation"), workers=1, piece=1_000)
    for workers, piece in ((1, 3), (2, 7), (3, 1)):
        assert await played(await fresh_database("segmentation"), workers, piece) == expected


async def test_pieces_are_about_equal_and_nobody_is_looked_at_before_all_are_known(database: Database) -> None:
    await apply(database, *(order(number, 0.5, f"c{number}") for number in range(10)))
    await divide(database, day(1), 4)
    pieces = await rows(database, "SELECT merged, cardinality(customer_ids) AS size FROM marks ORDER BY mark_id")
    assert [(row["merged"], row["size"]) for row in pieces] == [(True, 4), (True, 4), (True, 2)]
    assert await rows(database, "SELECT * FROM lifecycle_states") == []


async def test_what_is_told_while_pieces_wait_is_looked_at_together_with_them(database: Database) -> None:
    """By the retrier, which keeps to no tick: an older order of somebody who stands in a piece already."""
    await apply(database, *(order(number, 40, f"c{number}") for number in range(4)))
    await divide(database, day(41), 2)
    await apply(database, order(9, 20, "c0"))
    async with database.transaction() as session:
        assert not await on_piece(session, Now(at=day(41), previous=BEGINNING))
    assert await worker(database, 2).run() == day(41)
    stages = [change[:2] for change in stage_changes(await told(database))]
    assert sorted(stages) == [(20, "new"), *3 * [(40, "new")]]
    assert await rows(database, "SELECT * FROM marks") == []


async def test_a_piece_that_somebody_is_at_holds_up_nobody(database: Database) -> None:
    await apply(database, *(order(number, 0.5, f"c{number}") for number in range(4)))
    now = Now(at=day(1), previous=BEGINNING)
    await divide(database, day(1), 2)
    async with asyncio.timeout(10), database.transaction() as one, database.transaction() as other:
        for session in (one, other):
            session.info.update({"service": "segmentation", "ids": IDS})
            assert await on_piece(session, now)
        assert not await on_piece(other, now), "both are taken"
    assert len(await rows(database, "SELECT * FROM lifecycle_states")) == 4


async def test_who_is_due_is_looked_at_though_more_are_than_are_looked_up_at_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "_DUE", 2)
    await make_segment(database, {"field": "last_order_at", "op": "within_days", "value": 7})
    await apply(database, *(event for number in range(7) for event in Shop(number * 10).buys(f"c{number}", 0.5)))
    await tick(database, 1)
    await told(database)
    await tick(database, 40)
    events = await told(database)
    assert [change[:2] for change in stage_changes(events)] == 7 * [(30.5, "silent")]
    assert [(verb, at) for verb, _, at, _ in flips(events)] == 7 * [("left", 7.5)]


BUSY_AND_NEW = {"all": [{"field": "stage", "op": "eq", "value": "new"}, {"field": "visits", "op": "gte", "value": 2}]}


@pytest.mark.parametrize("piece", [3, 1000])
async def test_whose_memberships_are_settled_is_in_the_stage_of_the_tick_however_many_are_due(
    database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """One who came again, and was silent since long, is the last of those who are due."""
    monkeypatch.setattr(settling, "_DUE", 2)
    monkeypatch.setattr(given, "TICK_PIECE", piece)
    await make_segment(database, BUSY_AND_NEW)
    shops = {f"c{number}": Shop(number * 10) for number in range(7)}
    for number, (name, shop) in enumerate(shops.items()):
        await apply(database, *shop.visits_at(name, 0.25), *shop.buys(name, 0.5 + number / 100))
    await tick(database, 1)
    await told(database)
    await apply(database, *shops["c6"].visits_at("c6", 39.9))
    await tick(database, 40)
    assert flips(await told(database)) == []


async def test_pieces_of_a_release_that_did_not_look_for_who_is_due_are_decided_rightly(database: Database) -> None:
    await make_segment(database, BUSY_AND_NEW)
    shop = Shop()
    await apply(database, *shop.visits_at("anna", 0.25), *shop.buys("anna", 0.5))
    await tick(database, 1)
    await told(database)
    await apply(database, *shop.visits_at("anna", 39.9))
    async with database.transaction() as session:
        await execute(session, "UPDATE marks SET merged = true")
    await tick(database, 40)
    assert flips(await told(database)) == []


async def test_a_tick_of_few_is_decided_at_once(database: Database) -> None:
    await apply(database, order(1, 0.5))
    await tick(database, 1)
    assert await rows(database, "SELECT * FROM marks") == []
