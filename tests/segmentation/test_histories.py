"""Histories against the definition: thousands of them, at the very edges of the windows, heard in any order.

The pure rules by hypothesis; the real actions on a real database with a thousand customers in each batch.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.segmentation.domain import DEFAULT_MODEL, NOWHERE, Entry, Standing, advance, tellings
from shared.database import Database
from shared.events import Event
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded
from shared.events.segmentation import LifecycleStageChanged
from tests.conftest import FreshDatabase
from tests.segmentation.definition import DAY, came_back, naive
from tests.segmentation.given import apply, order, profile, tick
from tests.support import doing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = 1_767_225_600_000_000  # 2026
NUDGES = (-1, 0, 0, 1)

# Instants that meet each other's windows exactly, or miss them by a microsecond.
EDGES = st.tuples(st.integers(0, 24), st.sampled_from(NUDGES)).map(lambda edge: START + edge[0] * 15 * DAY + edge[1])
GAPS = st.tuples(st.sampled_from((0, 1, 7, 30, 60, 90)), st.sampled_from(NUDGES)).map(lambda gap: gap[0] * DAY + gap[1])
ORDERS = st.lists(EDGES, max_size=10) | st.lists(GAPS, max_size=14).map(lambda gaps: [*accumulate(gaps, initial=START)])


def edges_of(orders: Sequence[int]) -> st.SearchStrategy[int]:
    """An instant at which something may just have happened, or be just about to."""
    every = sorted({order + days * DAY for order in orders for days in (0, 30, 60, 90)}) or [START]
    return st.tuples(st.sampled_from(every), st.sampled_from(NUDGES)).map(sum)


def steps(entries: Sequence[Entry]) -> list[tuple[int, str, str | None, bool]]:
    return [(entry.since, entry.stage, entry.from_stage, entry.reacquired) for entry in entries]


def defined(orders: Sequence[int], visit: int | None, until: int) -> list[tuple[int, str, str | None, bool]]:
    return [(*step, came_back(orders, step[0])) for step in naive(orders, visit, until)]


@settings(max_examples=2_500, deadline=None)
@given(st.data())
def test_a_history_is_what_the_definition_says_to_the_microsecond(data: st.DataObject) -> None:
    orders = sorted(data.draw(ORDERS))
    visit = data.draw(st.none() | edges_of(orders))
    until = data.draw(edges_of(orders))
    found = advance(DEFAULT_MODEL, NOWHERE, orders, visit, until)
    assert steps(found.entries) == defined(orders, visit, until)


class Change(NamedTuple):
    """What is heard before a tick: an order appears (+1), or goes away (-1) as if it had not been."""

    at: int
    sign: int


@settings(max_examples=1_500, deadline=None)
@given(st.data())
def test_facts_heard_late_and_taken_back_leave_the_history_of_those_that_stand(data: st.DataObject) -> None:
    """Rows 29 and 30: and whoever only listens knows the stage that holds"""
    known: list[int] = []
    standing: Standing = NOWHERE
    history: list[Entry] = []
    believed: tuple[str | None, int | None] = (None, None)
    pool = sorted(data.draw(ORDERS)) or [START]
    for until in sorted(data.draw(st.lists(edges_of(pool), min_size=1, max_size=5))):
        changes = data.draw(st.lists(st.builds(Change, st.sampled_from(pool), st.sampled_from((1, 1, -1))), max_size=5))
        touched = [change.at for change in changes if _change(known, change)]
        # From where on it is told anew: just before the earliest change.
        start = standing
        if touched and min(touched) <= standing.at:
            before = [at for at in known if at < min(touched)]
            start = advance(DEFAULT_MODEL, NOWHERE, before, None, min(touched) - 1).standing
        heard = [at for at in known if at > start.at - DEFAULT_MODEL.lookback]
        done = advance(DEFAULT_MODEL, start, heard, None, until)
        history = [entry for entry in history if entry.since <= start.at] + done.entries
        assert steps(history) == defined(known, None, until)
        for each in tellings(standing, done):
            believed = (each.stage, each.since if each.stage else None) if each.current else believed
        standing = done.standing
        assert believed == (standing.stage, standing.since)


def _change(known: list[int], change: Change) -> bool:
    if change.sign > 0:
        known.append(change.at)
        known.sort()
    elif change.at in known:
        known.remove(change.at)
    else:
        return False
    return True


CUSTOMERS = 1_000
KINDS = (OrderPaid, OrderPaid, OrderRefunded, OrderCancelled)


class Script(NamedTuple):
    """What is to be told of one customer: by tick, in any order, some of it more than once."""

    customer: str
    heard: dict[int, list[Event]]


def some_instant(dice: random.Random, first: int = 0, width: int = 16) -> int:
    # 15 days: each of 30, 60 and 90 leads from one such instant to another. A nudge misses it by a microsecond.
    return START + (first + dice.randrange(width)) * 15 * DAY + dice.choice(NUDGES)


def at(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def make_script(dice: random.Random, number: int, ticks: int) -> Script:
    customer = f"c{number}"
    events: list[Event] = []
    # Some buy all the time for a while, and are mature.
    spread = dice.choice(((0, 16), (dice.randrange(13), 3)))
    for order_number in range(dice.choice((0, 1, 2, 4, 9, 14))):
        paid_at = some_instant(dice, *spread)
        for version in range(1, dice.choice((1, 1, 2, 3)) + 1):
            # A later version may have moved to an earlier payment, been given back, or stand again.
            paid_at = paid_at if dice.random() < 0.7 else some_instant(dice, *spread)
            counted = version == 1 or dice.random() < 0.5
            kind = KINDS[dice.randrange(4)] if version > 1 else OrderPaid
            told = order(
                number * 100 + order_number, at(paid_at), customer, version=version, counted=counted, kind=kind
            )
            events.append(told)
    for version in range(1, dice.choice((0, 1, 2)) + 1):
        events.append(profile(customer, version, first_visit_at=at(some_instant(dice))))
    heard: dict[int, list[Event]] = defaultdict(list)
    for event in [*events, *dice.choices(events, k=len(events) // 2)] if events else []:
        heard[dice.randrange(ticks)].append(event)
    return Script(customer, heard)


class Known:
    """What has been told of one customer so far: of each order and of the visit, the highest version."""

    def __init__(self) -> None:
        self._newest: dict[str, Any] = {}

    def hear(self, events: Sequence[Any]) -> None:
        for event in events:
            key = getattr(event.data, "order_key", "visit")
            if key not in self._newest or event.data.version > self._newest[key].data.version:
                self._newest[key] = event

    def history(self, until: int) -> list[tuple[int, str, str | None, bool]]:
        orders = [
            _micros(each.data.paid_at) for key, each in self._newest.items() if key != "visit" and each.data.counted
        ]
        visit = self._newest.get("visit")
        return defined(orders, _micros(visit.data.first_visit_at) if visit else None, until)


def _micros(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize("seed", range(6))
async def test_a_thousand_customers_heard_in_any_order_have_the_histories_that_the_definition_says(
    fresh_database: FreshDatabase, seed: int
) -> None:
    """Rows 28-30: at each of eight ticks, through the real consumers and the real timer"""
    dice = random.Random(seed)
    database = await fresh_database("segmentation")
    ticks = sorted({some_instant(dice) for _ in range(8)})
    scripts = [make_script(dice, number, len(ticks)) for number in range(CUSTOMERS)]
    known = {script.customer: Known() for script in scripts}
    believed: dict[str, tuple[str | None, datetime | None]] = {}
    for number, until in enumerate(ticks):
        heard = [event for script in scripts for event in script.heard.get(number, [])]
        dice.shuffle(heard)
        cut = dice.randrange(len(heard) + 1)
        for batch in (heard[:cut], heard[cut:]):
            if batch:
                await apply(database, *batch)
        await tick(database, at(until))
        for script in scripts:
            known[script.customer].hear(script.heard.get(number, []))
        await check_histories(database, {customer: each.history(until) for customer, each in known.items()}, scripts)
        await check_listeners(database, believed)


async def check_histories(
    database: Database, expected: dict[str, list[tuple[int, str, str | None, bool]]], scripts: list[Script]
) -> None:
    found: dict[str, list[tuple[int, str, str | None, bool]]] = defaultdict(list)
    ends: dict[str, list[int | None]] = defaultdict(list)
    for row in await doing.rows(database, "SELECT * FROM lifecycle_history ORDER BY customer_id, since"):
        found[row["customer_id"]].append((_micros(row["since"]), row["stage"], row["from_stage"], row["reacquired"]))
        ends[row["customer_id"]].append(_micros(row["until"]) if row["until"] else None)
    for script in scripts:
        assert found[script.customer] == expected[script.customer], dict(script.heard)
    for customer, entries in found.items():
        assert ends[customer] == [other[0] for _, other in pairwise(entries)] + [None] * bool(entries)
    states = await doing.rows(database, "SELECT customer_id, stage FROM lifecycle_states")
    last = {customer: entries[-1][1] if entries else None for customer, entries in expected.items()}
    assert {row["customer_id"]: row["stage"] for row in states if row["stage"]} == {
        customer: stage for customer, stage in last.items() if stage
    }


async def check_listeners(database: Database, believed: dict[str, tuple[str | None, datetime | None]]) -> None:
    """Who follows what is told knows where each customer stands, and since when."""
    for event in await doing.told(database):
        if isinstance(event, LifecycleStageChanged) and event.data.current:
            stage = event.data.to_stage
            believed[event.data.customer_id] = (stage, event.data.caused_at if stage else None)
    states = await doing.rows(database, "SELECT customer_id, stage, stage_since FROM lifecycle_states")
    for row in states:
        assert believed.get(row["customer_id"], (None, None)) == (row["stage"], row["stage_since"]), row
