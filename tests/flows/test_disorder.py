"""However late, often and disordered things are heard: the same facts; between two ticks the same decisions."""

import random
from datetime import timedelta
from typing import Any

import pytest

from shared.events import Event
from tests.conftest import FreshDatabase
from tests.flows.tables import differences
from tests.flows.world import DAY, START, Shop, recall_campaign, template_body
from tests.support.pipeline import Pipeline

DAYS = 48


def history(seed: int = 5) -> list[list[Event]]:
    """By day, what a small shop tells."""
    return [[event for _, _, event in day] for day in Shop(seed, customers=8, days=DAYS).history()]


async def start_recall(pipeline: Pipeline) -> None:
    async with pipeline.door("coupons") as http:
        template = (await http.post("/v1/templates", json=template_body("come back"))).json()["template_id"]
    async with pipeline.door("targeting") as http:
        campaign = (await http.post("/v1/campaigns", json=recall_campaign(template))).json()["campaign_id"]
        assert (await http.post(f"/v1/campaigns/{campaign}/start", json={})).status_code == 200


async def play(pipeline: Pipeline, days: list[list[Event]]) -> None:
    await pipeline.pass_to(START)
    await start_recall(pipeline)
    for number, events in enumerate(days):
        pipeline.tell(events)
        await pipeline.pass_to(START + (number + 1) * DAY)
    # What coupons answered is heard by targeting a tick later.
    await pipeline.pass_to(START + (len(days) + 1) * DAY)


# Drawn over HTTP, so it is another one in each run.
DRAWN = {"campaigns", "campaign_versions", "templates", "template_versions"}


def comparable(tables: dict[str, list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    return {name: rows for name, rows in tables.items() if name.split(".")[1] not in DRAWN}


async def test_any_permutation_and_repetition_between_two_ticks_decides_the_same(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 28 and 29: facts, histories, decisions, coupons and figures are equal row by row"""
    monkeypatch.setattr("shared.ids.draw", lambda prefix: f"{prefix}_the_only_one")
    in_order = await Pipeline.make(fresh_database)
    await play(in_order, history())
    expected = comparable(await in_order.tables())
    assert expected["targeting.decisions"]
    assert expected["coupons.coupons"]
    for seed in (1, 2):
        shuffled = await Pipeline.make(fresh_database, random.Random(seed))
        await play(shuffled, history())
        found = differences(expected, comparable(await shuffled.tables()))
        assert not found, f"seed {seed}: " + "\n".join(found)


FACTS = ("profile.", "segmentation.lifecycle_history", "segmentation.customers", "metrics.orders", "metrics.visits")


async def test_delays_of_up_to_forty_days_change_no_fact_no_history_and_no_figure_of_orders(
    fresh_database: FreshDatabase,
) -> None:
    """Rows 29 and 30: a refund may come long before its order, an order long after its day"""
    punctual = await Pipeline.make(fresh_database)
    await play(punctual, history())
    dice = random.Random(11)
    late: list[list[Event]] = [[] for _ in range(DAYS)]
    for number, events in enumerate(history()):
        for event in events:
            late[min(DAYS - 1, number + dice.choice([0, 0, 3, 20, 40]))].append(event)
    delayed = await Pipeline.make(fresh_database, random.Random(11))
    await play(delayed, late)
    expected, found = await punctual.tables(), await delayed.tables()
    kept = [name for name in expected if name.startswith(FACTS)]
    assert {"profile.orders", "segmentation.lifecycle_history", "metrics.orders"} <= set(kept)
    wrong = differences({name: expected[name] for name in kept}, {name: found[name] for name in kept})
    assert not wrong, "\n".join(wrong)


async def test_a_backlog_makes_nobody_silent_wrongly(fresh_database: FreshDatabase) -> None:
    """Rule 4: profile is down for 37 days while orders arrive; when it is back, nobody was recalled who bought"""
    days = history()
    undisturbed = await Pipeline.make(fresh_database)
    await play(undisturbed, days)
    behind = await Pipeline.make(fresh_database)
    await behind.pass_to(START)
    await start_recall(behind)
    waiting: list[tuple[Any, list[Event]]] = []
    for number, events in enumerate(days):
        at = START + (number + 1) * DAY
        waiting.append((at, events))
        if 8 <= number < 45:
            continue
        # Partitions keep facts and ticks in their order, however long nobody read them.
        for tick, heard in waiting:
            behind.tell(heard)
            await behind.pass_to(tick)
        waiting = []
    await behind.pass_to(START + (DAYS + 1) * DAY)
    decided = "SELECT customer_id, arm, caused_at FROM decisions ORDER BY 1, 3"
    entered = "SELECT customer_id, since, until, stage FROM lifecycle_history ORDER BY 1, 2"
    assert [tuple(row)[::2] for row in await behind.ask("targeting", decided)] == [
        tuple(row)[::2] for row in await undisturbed.ask("targeting", decided)
    ]
    assert await behind.ask("segmentation", entered) == await undisturbed.ask("segmentation", entered)


async def test_an_import_of_last_years_orders_recalls_nobody(fresh_database: FreshDatabase) -> None:
    """Rule 6: a correction of the past triggers nothing, though it makes many silent in the histories"""
    pipeline = await Pipeline.make(fresh_database, random.Random(4))
    await pipeline.pass_to(START + 300 * DAY)
    await start_recall(pipeline)
    pipeline.tell([event for day in history() for event in day])
    await pipeline.pass_to(START + 301 * DAY)
    await pipeline.pass_to(START + 302 * DAY + timedelta(hours=1))
    stages = {row["stage"] for row in await pipeline.ask("segmentation", "SELECT stage FROM lifecycle_states")}
    assert "churned" in stages
    assert await pipeline.ask("segmentation", "SELECT 1 FROM lifecycle_history WHERE stage = 'silent'")
    assert await pipeline.ask("targeting", "SELECT 1 FROM decisions WHERE arm <> 'suppressed'") == []
    assert await pipeline.ask("coupons", "SELECT 1 FROM coupons") == []
