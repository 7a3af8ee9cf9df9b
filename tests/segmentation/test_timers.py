"""What ticks decide about stages, on a real database: LC1-LC7, rules 3, 5 and 6 of architecture.md section 2."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.segmentation.domain import DEFAULT_MODEL, NOWHERE, advance, instant, micros
from shared.database import Database
from shared.events import Event
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded
from shared.events.segmentation import LifecycleStageChanged
from shared.inserting import ENOUGH
from tests.conftest import FreshDatabase
from tests.segmentation import given
from tests.segmentation.given import (
    T0,
    Shop,
    apply,
    day,
    history,
    in_days,
    make_segment,
    order,
    profile,
    stage_changes,
    tick,
)
from tests.support.doing import rows, told


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    return await fresh_database("segmentation")


async def state_of(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything that may not depend on the order in which it was told."""
    selects = {
        "customers": "SELECT * FROM customers ORDER BY 1",
        "known_orders": "SELECT * FROM known_orders ORDER BY 1",
        "lifecycle_history": "SELECT * FROM lifecycle_history ORDER BY 1, 2",
        "lifecycle_states": """SELECT customer_id, stage, stage_since, reacquired, cycle_started_at, last_order_at,
                               due_at FROM lifecycle_states ORDER BY 1""",
        "memberships": "SELECT customer_id, segment_id FROM memberships ORDER BY 1, 2",
    }
    return {name: await rows(database, sql) for name, sql in selects.items()}


async def test_events_decide_nothing_and_a_tick_does(database: Database) -> None:
    await apply(database, order(1, 0.5), profile())
    assert await told(database) == []
    await tick(database, 1)
    assert stage_changes(await told(database)) == [(0.5, "new", True, False)]


async def test_hearing_everything_twice_changes_nothing(database: Database) -> None:
    events = [order(1, 0.5), order(2, 0.75), profile(orders=2)]
    await apply(database, *events, *events)
    await tick(database, 1)
    first = await state_of(database)
    await told(database)
    await apply(database, *events)
    await tick(database, 2)
    assert await state_of(database) == first
    assert stage_changes(await told(database)) == []


async def test_time_alone_makes_silent_and_churned_at_their_exact_instants(database: Database) -> None:
    await apply(database, order(1, 0.5))
    await tick(database, 1)
    await told(database)
    await tick(database, 30.4)
    assert stage_changes(await told(database)) == []
    await tick(database, 30.9)
    assert stage_changes(await told(database)) == [(30.5, "silent", True, False)]
    await tick(database, 90.5)
    assert stage_changes(await told(database)) == [(90.5, "churned", True, False)]
    await tick(database, 500)
    assert stage_changes(await told(database)) == []


async def test_every_step_between_two_ticks_is_told_and_only_the_last_is_current(database: Database) -> None:
    """So that targeting can say `cause-gone` of a silence that an order ended before the tick."""
    await apply(database, order(1, 0))
    await tick(database, 1)
    await told(database)
    await apply(database, order(2, 30.25))
    await tick(database, 31)
    assert stage_changes(await told(database)) == [(30, "silent", False, False), (30.25, "rising", True, False)]


async def test_a_change_names_the_stage_before_and_has_a_stable_id(database: Database) -> None:
    await apply(database, order(1, 0))
    await tick(database, 1)
    await tick(database, 31)
    new, silent = [event for event in await told(database) if isinstance(event, LifecycleStageChanged)]
    assert (new.data.from_stage, silent.data.from_stage) == (None, "new")
    assert (silent.data.model, silent.data.model_version, silent.data.decided_at) == ("default", 1, day(31))
    assert new.data.change_id != silent.data.change_id
    assert silent.time == silent.data.caused_at == day(30)
    assert silent.subject == "anna"


async def test_a_visitor_is_potential_and_a_mere_name_has_no_stage(database: Database) -> None:
    """LC1."""
    await apply(database, profile("anna", first_visit_at=day(0.5), visits=1), profile("ben"))
    await tick(database, 1)
    assert stage_changes(await told(database)) == [(0.5, "potential", True, False)]


async def test_an_order_slightly_older_than_the_last_tick_is_told_as_what_holds_now(database: Database) -> None:
    """Live, nearly every order is: it must be able to trigger."""
    await apply(database, order(1, 0))
    await tick(database, 40)
    await told(database)
    await apply(database, order(2, 39.99))
    await tick(database, 40.01)
    assert stage_changes(await told(database)) == [(39.99, "rising", True, False)]
    assert await history(database) == [(0, "new"), (30, "silent"), (39.99, "rising")]


async def test_a_first_order_slightly_older_than_the_last_tick_is_told_too(database: Database) -> None:
    await tick(database, 40)
    await apply(database, order(1, 39.99))
    await tick(database, 40.01)
    assert stage_changes(await told(database)) == [(39.99, "new", True, False)]


async def test_a_late_order_restates_the_history_and_triggers_nothing(database: Database) -> None:
    await apply(database, order(1, 100))
    await tick(database, 140)
    await told(database)
    await apply(database, order(2, 60))
    await tick(database, 141)
    assert await history(database) == [(60, "new"), (90, "silent"), (100, "rising"), (130, "silent")]
    assert stage_changes(await told(database)) == []


async def test_a_late_order_that_moves_the_beginning_of_the_present_stage_corrects_the_past(database: Database) -> None:
    await apply(database, order(1, 100))
    await tick(database, 140)
    await told(database)
    await apply(database, order(2, 105))
    await tick(database, 141)
    assert await history(database) == [(100, "new"), (130, "rising"), (135, "silent")]
    assert stage_changes(await told(database)) == [(135, "silent", True, True)]


async def test_a_late_order_among_the_latest_ones_is_counted_once(database: Database) -> None:
    await apply(database, *(order(number, 40 + number) for number in range(5)))
    await tick(database, 50)
    await told(database)
    await apply(database, order(9, 42.5))
    await tick(database, 51)
    assert await history(database) == [(40, "new"), (44, "mature")]
    assert stage_changes(await told(database)) == [(44, "mature", True, False)]
    await tick(database, 75)
    assert (await history(database))[2:] == [(70, "rising"), (72.5, "declining"), (74, "silent")]


async def test_a_late_order_leaves_who_came_back_new_for_30_days(database: Database) -> None:
    await apply(database, order(1, 0), order(2, 100), order(3, 101))
    await tick(database, 110)
    await apply(database, order(4, 100.5))
    await tick(database, 130)
    assert await history(database) == [(0, "new"), (30, "silent"), (90, "churned"), (100, "new"), (130, "rising")]
    back = await rows(database, "SELECT since FROM lifecycle_history WHERE reacquired")
    assert back == [{"since": day(100)}]


async def test_a_refunded_order_is_as_if_it_had_never_been(database: Database) -> None:
    """Section 15: a full refund restates the history."""
    await apply(database, order(1, 0), order(2, 35))
    await tick(database, 40)
    assert await history(database) == [(0, "new"), (30, "silent"), (35, "rising")]
    await told(database)
    await apply(database, order(2, 35, version=2, counted=False, kind=OrderRefunded))
    await tick(database, 41)
    assert await history(database) == [(0, "new"), (30, "silent")]
    assert stage_changes(await told(database)) == [(30, "silent", True, False)]


async def test_who_loses_their_only_order_has_no_stage(database: Database) -> None:
    await apply(database, order(1, 0))
    await tick(database, 1)
    await told(database)
    await apply(database, order(1, 0, version=2, counted=False, kind=OrderCancelled))
    await tick(database, 2)
    assert await history(database) == []
    assert stage_changes(await told(database)) == [(0, None, True, True)]
    await tick(database, 200)
    assert stage_changes(await told(database)) == []


async def test_an_order_that_turns_out_to_be_another_customers_moves_both(database: Database) -> None:
    await apply(database, order(1, 0, "anna"), order(2, 10, "anna"))
    await tick(database, 20)
    await apply(database, order(1, 0, "ben", version=2))
    await tick(database, 21)
    assert await history(database, "anna") == [(10, "new")]
    assert await history(database, "ben") == [(0, "new")]


async def test_an_order_moves_among_many_that_are_new(database: Database) -> None:
    """A large batch is inserted as if all of it were new, and again when it is not."""
    await apply(database, order(1, 0, "anna"), order(2, 10, "anna"))
    await tick(database, 20)
    others = [order(number, 20, f"customer-{number}") for number in range(3, 3 + ENOUGH)]
    await apply(database, *others, order(1, 0, "ben", version=2))
    await tick(database, 21)
    assert await history(database, "anna") == [(10, "new")]
    assert await history(database, "ben") == [(0, "new")]
    assert await history(database, "customer-3") == [(20, "new")]


async def test_an_older_version_of_an_order_is_not_believed(database: Database) -> None:
    await apply(database, order(1, 0, version=2, counted=False, kind=OrderRefunded), order(1, 0, version=1))
    await tick(database, 1)
    assert await history(database) == []


async def test_an_order_ahead_of_the_clock_counts_from_its_own_instant(database: Database) -> None:
    await apply(database, order(1, 5))
    await tick(database, 1)
    assert stage_changes(await told(database)) == []
    await tick(database, 6)
    assert stage_changes(await told(database)) == [(5, "new", True, False)]


async def test_instants_at_the_ends_of_the_calendar_stop_no_clock(database: Database) -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    await apply(database, order(1, first, "anna"), order(2, last, "ben"), order(3, None, "carl"))
    await apply(
        database, profile("dora", first_visit_at=last, last_visit_at=last), profile("emil", first_visit_at=first)
    )
    await make_segment(database, {"field": "last_visit_at", "op": "within_days", "value": 36_500})
    await tick(database, 1)
    await apply(database, order(4, first, "ben"), order(5, last, "anna"))
    await tick(database, last - timedelta(days=1))
    await tick(database, last - timedelta(seconds=1))
    found = await rows(database, "SELECT customer_id, stage FROM lifecycle_states ORDER BY 1")
    assert [(row["customer_id"], row["stage"]) for row in found] == [
        ("anna", "churned"),
        ("ben", "churned"),
        ("dora", None),
        ("emil", "potential"),
    ]


async def test_a_tick_on_which_nothing_is_due_writes_nothing(database: Database) -> None:
    await apply(database, order(1, 0), profile())
    await tick(database, 1)
    await told(database)
    before = await state_of(database)
    await tick(database, 2)
    assert await told(database) == []
    assert await state_of(database) == before


async def test_chunks_of_a_tick_decide_what_one_would(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "TICK_PIECE", 3)
    segment = await make_segment(database, {"field": "stage", "op": "eq", "value": "silent"})
    await tick(database, 0)
    await apply(database, *(event for number in range(20) for event in Shop(number * 10).buys(f"c{number:02}", 0.5)))
    await tick(database, 1)
    assert len(stage_changes(await told(database))) == 20
    await tick(database, 31)
    events = await told(database)
    assert len(stage_changes(events)) == 20
    assert len(events) == 40
    assert len(await rows(database, "SELECT FROM memberships WHERE segment_id = $1", segment)) == 20


async def test_who_is_due_is_advanced_though_they_only_visit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A visit moves nobody's lifecycle, time does: also of whom a chunk takes because of the visit."""
    monkeypatch.setattr(given, "TICK_PIECE", 3)
    shops = {f"c{number}": Shop(number * 10) for number in range(7)}
    await tick(database, 0)
    await apply(database, *(event for name, shop in shops.items() for event in shop.visits_at(name, 0.25)))
    await apply(database, *(event for name, shop in shops.items() for event in shop.buys(name, 0.5)))
    await tick(database, 1)
    await told(database)
    await apply(database, *(event for name, shop in shops.items() for event in shop.visits_at(name, 31)))
    await tick(database, 31)
    assert [change[1] for change in stage_changes(await told(database))] == 7 * ["silent"]


@pytest.mark.parametrize("piece", [2, 5, 1000])
async def test_what_several_batches_say_of_a_customer_is_looked_at_together(
    database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(given, "TICK_PIECE", piece)
    await tick(database, 0)
    # The younger order first, the older one in another batch: either alone makes another history.
    for at in (12, 9, 10, 8):
        await apply(
            database, *(event for number in range(7) for event in Shop(number * 10 + at).buys(f"c{number}", at))
        )
    await tick(database, 15)
    assert stage_changes(await told(database)) == 7 * [(8, "new", True, False)]
    assert not await rows(database, "SELECT 1 FROM marks")


@pytest.mark.parametrize("piece", [1, 2, 1000])
async def test_who_is_due_waits_until_all_that_was_told_of_them_can_be_looked_at(
    database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """Zoe would be silent, had she not bought on the 20th, which was told late and stands in the last piece."""
    monkeypatch.setattr(given, "TICK_PIECE", piece)
    shop = Shop()
    await tick(database, 0)
    await apply(database, *shop.buys("zoe", 0.5))
    await tick(database, 25)
    await told(database)
    await apply(database, *shop.buys("zoe", 20), *shop.visits_at("ben", 26), *shop.visits_at("carl", 26))
    await tick(database, 40)
    stages = [change[:2] for change in stage_changes(await told(database))]
    assert sorted(stages) == [(26, "potential"), (26, "potential"), (30.5, "rising")]


def seconds(number: float) -> datetime:
    return T0 + timedelta(seconds=number)


def new_since(events: list[Event]) -> list[float]:
    """When those were who are new, in seconds."""
    assert {change[1] for change in stage_changes(events)} <= {"new"}
    return sorted(round(change[0] * 86_400, 3) for change in stage_changes(events))


async def test_what_is_told_a_little_ahead_is_looked_at_when_its_tick_has_come_and_not_before(
    database: Database,
) -> None:
    """As in a backlog, where profile tells of instants that no tick has reached yet; decision 0033."""
    looked_at = "SELECT customer_id FROM lifecycle_states ORDER BY 1"
    waiting = "SELECT mark_id, customer_ids FROM marks ORDER BY not_before"
    ahead = {"anna": 3, "ben": 8, "carl": 8.5, "dora": 3_600}
    await apply(database, *(order(number, seconds(at), name) for number, (name, at) in enumerate(ahead.items())))
    await tick(database, seconds(1))
    before = await rows(database, waiting)
    assert [row["customer_ids"] for row in before] == [["anna"], ["ben", "carl"]]
    assert [row["customer_id"] for row in await rows(database, looked_at)] == ["dora"]
    await tick(database, seconds(5))
    assert new_since(await told(database)) == [3]
    assert await rows(database, waiting) == before[1:], "those of another second are not written anew"
    await tick(database, seconds(8))
    assert [row["customer_ids"] for row in await rows(database, waiting)] == [["carl"]]
    await tick(database, seconds(3_600))
    assert new_since(await told(database)) == [8, 8.5, 3_600]
    assert not await rows(database, "SELECT 1 FROM marks")


@pytest.mark.parametrize("piece", [1, 2, 1000])
async def test_marks_that_wait_hold_up_nobody_else(
    database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(given, "TICK_PIECE", piece)
    await apply(database, *(order(number, seconds(number), f"c{number}") for number in range(9)))
    await tick(database, seconds(3.5))
    assert new_since(await told(database)) == [0, 1, 2, 3]
    # One of those who wait has bought before as well, and another one's order never was.
    never = order(7, seconds(7), "c7", kind=OrderCancelled, version=2, counted=False)
    await apply(database, order(20, seconds(2), "c8"), never)
    await tick(database, seconds(6.5))
    assert new_since(await told(database)) == [2, 4, 5, 6]
    await tick(database, seconds(60))
    assert new_since(await told(database)) == []
    buyers = await rows(database, "SELECT DISTINCT customer_id FROM lifecycle_history ORDER BY 1")
    assert [row["customer_id"] for row in buyers] == [f"c{number}" for number in range(9) if number != 7]


async def test_orders_in_their_order_tick_by_tick_give_the_history_of_all_at_once(database: Database) -> None:
    chance = random.Random(3)
    orders = {customer: sorted(chance.uniform(0, 180) for _ in range(60)) for customer in "abc"}
    for last in range(3, 300, 3):
        found = [(at, customer) for customer, times in orders.items() for at in times if last - 3 <= at < last]
        await apply(database, *(order(int(at * 1e6), at, customer) for at, customer in found))
        await tick(database, last)
    for customer, times in orders.items():
        entries = advance(DEFAULT_MODEL, NOWHERE, [micros(day(at)) for at in times], None, micros(day(300))).entries
        assert await history(database, customer) == [(in_days(instant(each.since)), each.stage) for each in entries]


def some_story(chance: random.Random) -> list[Event]:
    """Orders and visits of a few customers on half days; some refunded, some moved, some told in a new version."""
    shop, events = Shop(), list[Event]()
    for _ in range(100):
        customer, at = chance.choice("abc"), chance.randrange(300) / 2
        events += shop.buys(customer, at) if chance.random() < 0.8 else shop.visits_at(customer, at)
    keys = [event.data.order_key for event in events if isinstance(event, OrderPaid)]
    for key in chance.sample(keys, 8):
        at, customer, number = chance.randrange(400) / 2, chance.choice("abc"), int(key[1:])
        gone = order(number, at, customer, version=1_000, counted=False, kind=OrderRefunded)
        events.append(chance.choice([gone, order(number, at, customer, version=1_000)]))
    return events


@pytest.mark.parametrize("seed", range(6))
async def test_any_order_of_arrival_ends_in_the_same_state(fresh_database: FreshDatabase, seed: int) -> None:
    """Rule 3; whatever was told late, in pieces, twice, and between whichever ticks."""
    chance = random.Random(seed)
    events = some_story(chance)
    at_once, in_pieces = await fresh_database("segmentation"), await fresh_database("segmentation")
    await apply(at_once, *events)
    shuffled = [*events, *chance.sample(events, 10)]
    chance.shuffle(shuffled)
    for number in range(25):
        await apply(in_pieces, *shuffled[number::50])
        await apply(in_pieces, *shuffled[number + 25 :: 50])
        await tick(in_pieces, number * 10 + chance.random())
    for at in (250, 260):
        for database in (at_once, in_pieces):
            await tick(database, at)
            await apply(database, order(500, at + 5, "a"), order(501, at - 70, "b"))
        assert await state_of(in_pieces) == await state_of(at_once)


async def test_what_was_told_last_as_current_is_what_holds(database: Database) -> None:
    """However late and shuffled the orders come, a listener who keeps the latest current stage is right."""
    chance = random.Random(7)
    heard: dict[str, tuple[str | None, datetime]] = {}
    for number in range(60):
        at = number * 4
        late = chance.choice([0, 0, 0.001, 30, 200])
        await apply(database, order(number, max(at - late - chance.random(), -5), chance.choice("abc")))
        if chance.random() < 0.1:
            gone = chance.randrange(number + 1)
            await apply(database, order(gone, at, "a", version=9, counted=False, kind=OrderRefunded))
        await tick(database, at)
        for event in await told(database):
            if isinstance(event, LifecycleStageChanged) and event.data.current:
                heard[event.data.customer_id] = (event.data.to_stage, event.data.caused_at)
        found = await rows(database, "SELECT customer_id, stage, stage_since FROM lifecycle_states")
        for row in found:
            stage, since = heard.get(row["customer_id"], (None, T0))
            assert stage == row["stage"]
            assert stage is None or since == row["stage_since"]
