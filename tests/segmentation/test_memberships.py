"""Who is in which segment: by events, by time and by stage, and filled in the background. SG1, SG3, SG8."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.segmentation import actions, repository
from services.segmentation.actions import filling
from services.segmentation.domain import parse_rule
from shared.database import Database, execute
from shared.events.profile import OrderRefunded
from tests.conftest import FreshDatabase
from tests.segmentation import given
from tests.segmentation.given import (
    T0,
    Shop,
    apply,
    day,
    flips,
    in_days,
    make_segment,
    members,
    order,
    profile,
    stage_changes,
    tick,
)
from tests.support.doing import rows, told

BOUGHT_TWICE = {"field": "orders", "op": "gte", "value": 2}
ACTIVE = {"field": "last_order_at", "op": "within_days", "value": 7}
SILENT = {"field": "stage", "op": "eq", "value": "silent"}


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    return await fresh_database("segmentation")


async def status_of(database: Database, segment_id: str) -> tuple[str, int, int]:
    (row,) = await rows(database, "SELECT status, filled, to_fill FROM segments WHERE segment_id = $1", segment_id)
    return row["status"], row["filled"], row["to_fill"]


async def change(database: Database, segment_id: str, rule: dict[str, Any] | None) -> None:
    async with database.transaction() as session:
        if rule is None:
            await actions.delete_segment(session, segment_id, T0)
        else:
            await actions.change_segment(session, segment_id, None, rule, T0)


async def test_events_bring_customers_in_and_out_at_the_tick(database: Database) -> None:
    segment = await make_segment(database, {"field": "orders", "op": "between", "value": [2, 2]})
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.2), *shop.buys("anna", 0.5))
    assert await members(database, segment) == set()
    await tick(database, 1)
    await apply(database, *shop.buys("anna", 1.5))
    await tick(database, 2)
    assert flips(await told(database)) == [("entered", "anna", 0.5, False), ("left", "anna", 1.5, False)]
    assert await members(database, segment) == set()


async def test_time_alone_ends_within_days_exactly_and_begins_over_days_ago(database: Database) -> None:
    """An instant t counts in the last 7 d during [t, t + 7 d)."""
    active, away = await make_segment(database, ACTIVE), await make_segment(database, {**ACTIVE, "op": "over_days_ago"})
    await tick(database, 0)
    await apply(database, *Shop().buys("anna", 0.25))
    await tick(database, 1)
    assert flips(await told(database)) == [("entered", "anna", 0.25, False)]
    await tick(database, day(7.25) - timedelta(microseconds=1))
    assert flips(await told(database)) == []
    await tick(database, 7.25)
    assert sorted(flips(await told(database))) == [("entered", "anna", 7.25, False), ("left", "anna", 7.25, False)]
    assert (await members(database, active), await members(database, away)) == (set(), {"anna"})


async def test_the_cause_is_the_instant_at_which_time_turned_the_rule_and_not_the_tick(database: Database) -> None:
    """Of several instants between two ticks it is the one that turned it for good."""
    older = {"field": "last_order_at", "op": "over_days_ago", "value": 3}
    either = {"any": [older, {"field": "last_order_at", "op": "over_days_ago", "value": 5}]}
    await make_segment(database, either)
    await tick(database, 0)
    await apply(database, *Shop().buys("anna", 0.5))
    await tick(database, 1)
    await tick(database, 9)
    assert flips(await told(database)) == [("entered", "anna", 3.5, False)]


async def test_a_change_of_stage_causes_at_the_instant_of_the_stage(database: Database) -> None:
    await make_segment(database, SILENT)
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.5))
    await tick(database, 1)
    await tick(database, 32)
    await apply(database, *shop.buys("anna", 33.25))
    await tick(database, 34)
    assert flips(await told(database)) == [("entered", "anna", 30.5, False), ("left", "anna", 33.25, False)]


async def test_who_comes_and_goes_between_two_ticks_is_not_told(database: Database) -> None:
    await make_segment(database, SILENT)
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.5))
    await tick(database, 30)
    await apply(database, *shop.buys("anna", 30.75))
    await tick(database, 31)
    events = await told(database)
    assert flips(events) == []
    assert stage_changes(events)[1:] == [(30.5, "silent", False, False), (30.75, "rising", True, False)]


async def test_orders_of_last_year_bring_in_with_the_instant_of_last_year(database: Database) -> None:
    """So that `max_cause_age` lets an import trigger nothing."""
    await make_segment(database, BOUGHT_TWICE)
    await tick(database, 300)
    shop = Shop()
    await apply(database, *shop.buys("anna", 10), *shop.buys("anna", 20))
    await tick(database, 301)
    assert flips(await told(database)) == [("entered", "anna", 20, False)]


async def test_what_has_no_instant_of_its_own_is_dated_by_the_tick(database: Database) -> None:
    await make_segment(database, {"not": BOUGHT_TWICE})
    await make_segment(database, {"field": "is_member", "op": "eq", "value": True})
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.25), *shop.buys("anna", 0.5))
    await tick(database, 1)
    await told(database)
    shop.orders["anna"].pop()
    shop.members.add("ben")
    await apply(database, order(3, 0.5, version=9, counted=False, kind=OrderRefunded), shop.tells("anna"))
    await apply(database, profile("ben", 1))
    await tick(database, 5)
    await apply(database, profile("ben", 2, member=True, first_visit_at=day(0), last_visit_at=day(0)))
    await tick(database, 6)
    assert flips(await told(database)) == [
        ("entered", "anna", 5, False),
        ("entered", "ben", 5, False),
        ("entered", "ben", 6, False),
    ]


async def test_a_refund_that_says_nothing_of_the_lifecycle_is_dated_by_the_tick(database: Database) -> None:
    """The order counts as it did, and when it was given back in part nobody says."""
    await make_segment(database, {"field": "paid_amount", "currency": "USD", "op": "gte", "value": 1000})
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.25))
    await tick(database, 1)
    assert flips(await told(database)) == [("entered", "anna", 0.25, False)]
    shop.orders["anna"] = [(day(0.25), 700)]
    await apply(database, order(1, 0.25, version=9, kind=OrderRefunded), shop.tells("anna"))
    await tick(database, 5)
    assert flips(await told(database)) == [("left", "anna", 5, False)]


async def test_an_instant_that_has_passed_is_not_looked_at_again(database: Database) -> None:
    await make_segment(database, ACTIVE)
    await tick(database, 0)
    await apply(database, *Shop().buys("anna", 0.25))
    await tick(database, 1)
    due = "SELECT due_at FROM memberships_due"
    assert [row["due_at"] for row in await rows(database, due)] == [day(7.25)]
    await tick(database, 8)
    assert await rows(database, due) == []


@pytest.mark.parametrize("piece", [1, 2, 1000])
async def test_who_is_due_is_looked_at_also_when_events_of_others_fill_a_chunk(
    database: Database, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(given, "TICK_PIECE", piece)
    await make_segment(database, ACTIVE)
    await tick(database, 0)
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.25))
    await tick(database, 1)
    await told(database)
    await apply(database, *shop.visits_at("ben", 7), *shop.visits_at("carl", 7), *shop.visits_at("dora", 7))
    await tick(database, 8)
    assert flips(await told(database)) == [("left", "anna", 7.25, False)]


async def test_a_day_is_24_hours_also_where_clocks_are_changed(database: Database) -> None:
    (name,) = await rows(database, "SELECT current_database() AS name")
    async with database.transaction() as session:
        await execute(session, f"ALTER DATABASE {name['name']} SET timezone TO 'America/New_York'")
    await database.close()
    assert await rows(database, "SHOW timezone") == [{"TimeZone": "America/New_York"}]
    # The clocks of New York go forward on 2026-03-08.
    bought = datetime(2026, 3, 1, 12, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)
    await make_segment(database, {**ACTIVE, "value": 30})
    await tick(database, 0)
    await apply(database, order(1, bought), profile(orders=1, last_order_at=bought))
    await tick(database, bought)
    await told(database)
    await tick(database, bought + timedelta(days=31))
    events = await told(database)
    turned = in_days(bought + timedelta(days=30))
    assert stage_changes(events) == [(turned, "silent", True, False)]
    assert flips(events) == [("left", "anna", turned, False)]


async def test_a_new_segment_is_filled_piece_by_piece_while_events_come(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "_PIECE", 4)
    shop = Shop()
    await apply(database, *(event for number in range(10) for event in shop.buys(f"c{number}", 0.5)))
    await tick(database, 1)
    segment = await make_segment(database, {"field": "orders", "op": "gte", "value": 1})
    await told(database)
    assert await status_of(database, segment) == ("filling", 0, 10)
    await tick(database, 2)
    assert await status_of(database, segment) == ("filling", 4, 10)
    assert await members(database, segment) == {"c0", "c1", "c2", "c3"}
    # One who has been looked at, one beyond, and two who are new on either side.
    for customer in ("c0", "c8", "a", "x"):
        await apply(database, *shop.buys(customer, 2.5))
    await tick(database, 3)
    await tick(database, 4)
    assert (await status_of(database, segment))[:2] == ("active", 11)
    assert await members(database, segment) == {*(f"c{number}" for number in range(10)), "a", "x"}
    found = {who: (at, backfilled) for what, who, at, backfilled in flips(await told(database)) if what == "entered"}
    assert found == {
        **{f"c{number}": (2, True) for number in range(4)},
        **{f"c{number}": (3, True) for number in range(4, 8)},
        "c8": (3, True),
        "c9": (4, True),
        "a": (2.5, False),
        "x": (3, True),
    }


async def test_a_tick_is_complete_before_a_segment_is_filled(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filling never holds the clock up: one piece at a tick."""
    monkeypatch.setattr(filling, "_PIECE", 1)
    await apply(database, *(event for number in range(5) for event in Shop(number * 9).buys(f"c{number}", 0.5)))
    segment = await make_segment(database, BOUGHT_TWICE)
    await tick(database, 1)
    assert await status_of(database, segment) == ("filling", 1, 5)
    assert len(stage_changes(await told(database))) == 5


async def test_several_small_segments_are_filled_at_one_tick(database: Database) -> None:
    await apply(database, *Shop().buys("anna", 0.5))
    segments = [await make_segment(database, ACTIVE) for _ in range(5)]
    await tick(database, 1)
    assert [await status_of(database, segment) for segment in segments] == [("active", 1, 1)] * 5
    assert [await members(database, segment) for segment in segments] == [{"anna"}] * 5


async def test_another_rule_is_a_new_version_that_is_filled_again(database: Database) -> None:
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.1), *shop.buys("anna", 0.2), *shop.buys("ben", 0.3))
    segment = await make_segment(database, BOUGHT_TWICE)
    await tick(database, 1)
    assert await members(database, segment) == {"anna"}
    await told(database)
    await change(database, segment, {"not": BOUGHT_TWICE})
    assert await status_of(database, segment) == ("filling", 0, 2)
    await tick(database, 2)
    assert await members(database, segment) == {"ben"}
    assert sorted(flips(await told(database))) == [("entered", "ben", 2, True), ("left", "anna", 2, True)]
    versions = await rows(database, "SELECT version, rule::text AS rule FROM segment_versions ORDER BY version")
    assert [row["version"] for row in versions] == [1, 2]
    await change(database, segment, {"not": BOUGHT_TWICE})
    assert await status_of(database, segment) == ("active", 2, 2)


async def test_a_rule_that_changes_while_a_piece_is_filled_is_filled_from_the_beginning(database: Database) -> None:
    await apply(database, profile("anna"))
    segment_id = await make_segment(database, BOUGHT_TWICE)
    async with database.transaction() as session:
        segment = await repository.get_unfinished(session)
        assert segment is not None
        await change(database, segment_id, {"not": BOUGHT_TWICE})
        await repository.mark_filled(session, segment, "anna", 1, done=True)
    assert await status_of(database, segment_id) == ("filling", 0, 1)


async def test_members_leave_a_deleted_segment(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    await apply(database, *(event for customer in "abc" for event in shop.buys(customer, 0.5)))
    segment = await make_segment(database, ACTIVE)
    await tick(database, 1)
    await told(database)
    monkeypatch.setattr(filling, "_PIECE", 2)
    await change(database, segment, None)
    await tick(database, 2)
    await tick(database, 3)
    assert flips(await told(database)) == [
        ("left", "a", 2, True),
        ("left", "b", 2, True),
        ("left", "c", 3, True),
    ]
    assert await members(database, segment) == set()
    await tick(database, 30)
    assert flips(await told(database)) == []


async def test_a_fact_that_is_missing_compares_to_nothing(database: Database) -> None:
    """Every comparison with it is false, and `not` of that is true."""
    never_bought = {"field": "last_order_at", "op": "within_days", "value": 7}
    for op in ("within_days", "over_days_ago"):
        segment = await make_segment(database, {**never_bought, "op": op})
        opposite = await make_segment(database, {"not": {**never_bought, "op": op}})
        no_stage = await make_segment(database, {"field": "stage", "op": "ne", "value": "silent"})
        not_silent = await make_segment(database, {"not": SILENT})
        average = {"field": "average_order_value", "op": "lt", "value": 5, "currency": "USD"}
        no_average = await make_segment(database, average)
        spent_nothing = await make_segment(database, {**average, "field": "paid_amount"})
        await apply(database, profile("ben"))
        await tick(database, 1 if op == "within_days" else 2)
        for each in (opposite, not_silent, spent_nothing):
            assert await members(database, each) == {"ben"}
        for each in (segment, no_stage, no_average):
            assert await members(database, each) == set()


# An oracle of rules in plain Python, for rules on half days.
def holds(rule: dict[str, Any], facts: dict[str, Any], at: datetime) -> bool:
    if "all" in rule:
        return all(holds(each, facts, at) for each in rule["all"])
    if "any" in rule:
        return any(holds(each, facts, at) for each in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], facts, at)
    fact, op, value = facts[rule["field"]], rule["op"], rule["value"]
    if fact is None:
        return False
    if op == "within_days":
        return fact <= at < fact + timedelta(days=value)
    if op == "over_days_ago":
        return fact + timedelta(days=value) <= at
    if op == "in":
        return fact in value
    read = datetime.fromisoformat if isinstance(fact, datetime) else lambda each: each
    if op == "between":
        return read(value[0]) <= fact <= read(value[1])
    signs = {"eq": "__eq__", "ne": "__ne__", "lt": "__lt__", "lte": "__le__", "gt": "__gt__", "gte": "__ge__"}
    return getattr(fact, signs[op])(read(value))


def some_rule(chance: random.Random, depth: int = 3) -> dict[str, Any]:
    kind = chance.choice(["all", "any", "not"]) if depth and chance.random() < 0.6 else None
    if kind == "not":
        return {"not": some_rule(chance, depth - 1)}
    if kind:
        return {kind: [some_rule(chance, depth - 1) for _ in range(chance.randint(1, 3))]}
    instants = ["first_order_at", "last_order_at", "first_visit_at", "last_visit_at", "stage_since"]
    order_op = chance.choice(["eq", "ne", "lt", "lte", "gt", "gte"])
    stages = ["potential", "new", "rising", "mature", "declining", "silent", "churned"]
    number = chance.randint(0, 4)
    return chance.choice(
        [
            {"field": chance.choice(instants), "op": "within_days", "value": chance.randint(1, 40)},
            {"field": chance.choice(instants), "op": "over_days_ago", "value": chance.randint(1, 40)},
            {"field": chance.choice(instants), "op": order_op, "value": day(chance.randrange(100) / 2).isoformat()},
            {"field": chance.choice(instants), "op": "between", "value": [day(10).isoformat(), day(40).isoformat()]},
            {"field": chance.choice(["orders", "visits"]), "op": order_op, "value": number},
            {"field": "orders", "op": "in", "value": [number, number + 2]},
            {"field": "visits", "op": "between", "value": [number, number + 1]},
            {"field": "paid_amount", "op": order_op, "value": number * 500, "currency": chance.choice(["USD", "EUR"])},
            {"field": "average_order_value", "op": order_op, "value": number * 300, "currency": "USD"},
            {"field": "stage", "op": "in", "value": chance.sample(stages, 3)},
            {"field": "stage", "op": chance.choice(["eq", "ne"]), "value": chance.choice(stages)},
            {"field": "label", "op": chance.choice(["eq", "ne"]), "value": chance.choice(["new", "old"])},
            {"field": "is_member", "op": "eq", "value": chance.choice([True, False])},
            {"field": "reacquired", "op": "ne", "value": chance.choice([True, False])},
            {"field": "source_id", "op": "in", "value": chance.sample("abcdef", 2)},
            {"field": "platform", "op": "eq", "value": chance.choice(["web", "app"])},
        ]
    )


async def facts_of(database: Database, shop: Shop) -> dict[str, dict[str, Any]]:
    """What is known of each customer, from what the shop has told and the stages as decided."""
    states = {row["customer_id"]: row for row in await rows(database, "SELECT * FROM lifecycle_states")}
    facts: dict[str, dict[str, Any]] = {}
    for customer in "abcdef":
        told_last = shop.tells(customer).data
        spend = {each.currency: each for each in told_last.spend}
        paid = spend["USD"].paid_amount if spend else 0
        state = states.get(customer, {"stage": None, "stage_since": None, "reacquired": False})
        facts[customer] = {
            **{name: getattr(told_last, name) for name in ("orders", "visits", "platform", "source_id")},
            **{
                f"{which}_{what}_at": getattr(told_last, f"{which}_{what}_at")
                for which in ("first", "last")
                for what in ("order", "visit")
            },
            **{name: state[name] for name in ("stage", "stage_since", "reacquired")},
            "is_member": customer in shop.members,
            "label": "old" if told_last.orders else "new",
            "paid": paid,
            "average": paid // told_last.orders if told_last.orders else None,
        }
    return facts


def with_money(facts: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any]:
    """The two amounts depend on the currency that a comparison names; all orders are in USD."""
    usd = rule.get("currency", "USD") == "USD"
    return {
        **facts,
        "paid_amount": facts["paid"] if usd else 0,
        "average_order_value": facts["average"] if usd else None,
    }


def expected_in(rule: dict[str, Any], facts: dict[str, Any], at: datetime) -> bool:
    if "field" in rule:
        return holds(rule, with_money(facts, rule), at)
    if "not" in rule:
        return not expected_in(rule["not"], facts, at)
    (kind,) = rule
    found = [expected_in(each, facts, at) for each in rule[kind]]
    return all(found) if kind == "all" else any(found)


@pytest.mark.parametrize("seed", range(3))
async def test_memberships_are_always_what_the_rules_say_of_now(database: Database, seed: int) -> None:
    """Whatever turned them: events, time, stages, filling. A preview finds the same."""
    chance, shop = random.Random(seed), Shop()
    rules = [some_rule(chance) for _ in range(60)]
    segments = {await make_segment(database, rule): rule for rule in rules[:40]}
    await apply(database, *(shop.tells(customer) for customer in "abcdef"))
    at = 0.0
    for number in range(80):
        for _ in range(chance.randrange(3)):
            customer, when = chance.choice("abcdef"), max(0, at - chance.choice([0, 0, 0.5, 20]))
            happens = shop.buys if chance.random() < 0.6 else shop.visits_at
            shop.members |= {customer} if chance.random() < 0.1 else set()
            await apply(database, *happens(customer, when))
        at += chance.choice([0.5, 0.5, 1, 3, 12])
        await tick(database, at)
        if number == 40:
            segments |= {await make_segment(database, rule): rule for rule in rules[40:]}
        await compare_members(database, segments, shop, day(at))
    await compare_previews(database, segments, shop, day(at))
    assert {row["status"] for row in await rows(database, "SELECT status FROM segments")} == {"active"}


async def expected_members(
    database: Database, segments: dict[str, dict[str, Any]], shop: Shop, at: datetime
) -> dict[str, set[str]]:
    facts = await facts_of(database, shop)
    return {
        segment_id: {customer for customer in facts if expected_in(rule, facts[customer], at)}
        for segment_id, rule in segments.items()
    }


async def compare_members(database: Database, segments: dict[str, dict[str, Any]], shop: Shop, at: datetime) -> None:
    expected = await expected_members(database, segments, shop, at)
    found: dict[str, set[str]] = {row["segment_id"]: set() for row in await rows(database, "SELECT * FROM segments")}
    for row in await rows(database, "SELECT * FROM memberships"):
        found[row["segment_id"]].add(row["customer_id"])
    for row in await rows(database, "SELECT segment_id FROM segments WHERE status = 'active'"):
        assert found[row["segment_id"]] == expected[row["segment_id"]], segments[row["segment_id"]]


async def compare_previews(database: Database, segments: dict[str, dict[str, Any]], shop: Shop, at: datetime) -> None:
    expected = await expected_members(database, segments, shop, at)
    for segment_id, rule in segments.items():
        async with database.transaction() as session:
            count, samples = await repository.preview(session, parse_rule(rule), at)
        assert {row["customer_id"] for row in samples} == expected[segment_id], rule
        assert count == len(expected[segment_id])
