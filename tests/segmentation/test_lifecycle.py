"""The lifecycle against its definition: LC1-LC7 and section 15, exactly at the edges, and on a year of real orders."""

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.history import LAST_TICK_US, History, load_history
from services.segmentation.domain import DEFAULT_MODEL, NOWHERE, Advance, Entry, Stage, Standing, advance, tellings
from services.segmentation.domain import micros as us
from tests.segmentation.definition import DAY, naive, stage_at

END = 10_000 * DAY


def stages(orders: list[float], visit: float | None = None, until: int = END) -> list[tuple[float, str]]:
    """Orders and visit in days; the history in days."""
    visited = None if visit is None else int(visit * DAY)
    found = advance(DEFAULT_MODEL, NOWHERE, sorted(int(order * DAY) for order in orders), visited, until)
    return [(entry.since / DAY, entry.stage.value) for entry in found.entries]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([0], [(0, "new"), (30, "silent"), (90, "churned")]),
        ([0, 29], [(0, "new"), (30, "rising"), (59, "silent"), (119, "churned")]),
        ([0, 30], [(0, "new"), (30, "rising"), (60, "silent"), (120, "churned")]),
        ([0, 1, 2, 31], [(0, "new"), (30, "rising"), (32, "declining"), (61, "silent"), (121, "churned")]),
        (
            [0, 1, 32],
            [
                (0, "new"),
                (30, "rising"),
                (31, "silent"),
                (32, "declining"),
                (60, "rising"),
                (62, "silent"),
                (122, "churned"),
            ],
        ),
        ([0] * 6, [(0, "mature"), (30, "silent"), (90, "churned")]),
        ([0] * 5, [(0, "new"), (30, "silent"), (90, "churned")]),
        ([0, 90], [(0, "new"), (30, "silent"), (90, "rising"), (120, "silent"), (180, "churned")]),
        ([0, 95], [(0, "new"), (30, "silent"), (90, "churned"), (95, "new"), (125, "silent"), (185, "churned")]),
    ],
)
def test_stages_change_exactly_at_the_edges_of_half_open_windows(
    orders: list[float], expected: list[tuple[float, str]]
) -> None:
    assert stages(orders) == expected


def test_who_only_visited_is_potential_until_the_first_order() -> None:
    """LC1."""
    assert stages([], visit=1) == [(1, "potential")]
    assert stages([5], visit=1)[:2] == [(1, "potential"), (5, "new")]
    assert stages([5], visit=5)[0] == (5, "new")
    assert stages([5], visit=7)[0] == (5, "new")


def test_who_neither_visited_nor_ordered_has_no_stage() -> None:
    assert stages([]) == []
    assert stages([20], visit=15, until=10 * DAY) == []


def test_mature_wins_over_new() -> None:
    """LC4 is tried before LC2."""
    assert stages([0, 1, 2, 3, 4, 5])[:3] == [(0, "new"), (5, "mature"), (30, "rising")]


def test_an_order_after_churn_makes_a_customer_new_again() -> None:
    found = advance(DEFAULT_MODEL, NOWHERE, [0, 100 * DAY, 129 * DAY], None, END).entries
    assert [(entry.since // DAY, entry.stage.value, entry.reacquired) for entry in found] == [
        (0, "new", False),
        (30, "silent", False),
        (90, "churned", False),
        (100, "new", True),
        (130, "rising", False),
        (159, "silent", False),
        (219, "churned", False),
    ]


def test_far_away_instants_break_nothing() -> None:
    edge = us(datetime.fromisoformat("9999-12-31T23:59:59.999999+00:00"))
    begin = us(datetime.fromisoformat("0001-01-01T00:00:00+00:00"))
    assert advance(DEFAULT_MODEL, NOWHERE, [begin, edge], None, edge).due_at == edge + 30 * DAY


# Half days, so that orders meet each other's edges; each customer may visit too.
HALVES = st.integers(0, 400).map(lambda half: half * DAY // 2)
ORDERS = st.lists(HALVES, max_size=25).map(sorted)
VISIT = st.none() | HALVES


def plain(entries: list[Entry]) -> list[tuple[int, str, str | None]]:
    return [(entry.since, entry.stage, entry.from_stage) for entry in entries]


@given(ORDERS, VISIT, HALVES)
def test_a_history_is_what_the_definition_says(orders: list[int], visit: int | None, until: int) -> None:
    found = advance(DEFAULT_MODEL, NOWHERE, orders, visit, until)
    assert plain(found.entries) == naive(orders, visit, until)
    assert found.standing.stage == stage_at(orders, visit, until)
    later = naive(orders, visit, END)[len(found.entries) :]
    # Due may be early only for an order that is known already and changes no stage.
    assert found.due_at is None if not later else found.due_at is not None and found.due_at <= later[0][0]
    if not any(order > until for order in orders) and later:
        assert found.due_at == later[0][0]


@given(ORDERS, VISIT, st.lists(HALVES, max_size=12).map(sorted))
def test_advancing_tick_by_tick_gives_the_history_told_at_once(
    orders: list[int], visit: int | None, ticks: list[int]
) -> None:
    standing: Standing = NOWHERE
    entries: list[Entry] = []
    for at in [*ticks, END]:
        known = [order for order in orders if standing.at - DEFAULT_MODEL.lookback < order]
        done = advance(DEFAULT_MODEL, standing, known, visit, at)
        entries += done.entries
        standing = done.standing
    assert entries == advance(DEFAULT_MODEL, NOWHERE, orders, visit, END).entries


@given(ORDERS, VISIT, HALVES, HALVES)
def test_nothing_happens_before_it_is_due(orders: list[int], visit: int | None, one: int, other: int) -> None:
    first, second = sorted((one, other))
    past = [order for order in orders if order <= first]
    done = advance(DEFAULT_MODEL, NOWHERE, past, visit, first)
    if done.due_at is None or done.due_at > second:
        assert advance(DEFAULT_MODEL, done.standing, past, visit, second).entries == []
    else:
        assert advance(DEFAULT_MODEL, done.standing, past, visit, done.due_at).entries != []


def advanced(stage: Stage | None, since: int | None, entries: list[Entry] | None = None) -> Advance:
    return Advance(entries or [], Standing(100, stage, since, from_stage=Stage.NEW), None)


def test_each_step_since_the_last_tick_is_told_and_the_last_one_is_current() -> None:
    entries = [Entry(60, Stage.SILENT, Stage.NEW, False), Entry(70, Stage.RISING, Stage.SILENT, False)]
    told = tellings(Standing(50, Stage.NEW, 10), advanced(Stage.RISING, 70, entries))
    assert [(each.since, each.stage, each.current, each.corrects_past) for each in told] == [
        (60, "silent", False, False),
        (70, "rising", True, False),
    ]


def test_of_a_corrected_past_only_the_stage_that_holds_now_is_told() -> None:
    entries = [Entry(20, Stage.SILENT, Stage.NEW, False), Entry(40, Stage.RISING, Stage.SILENT, False)]
    told = tellings(Standing(50, Stage.SILENT, 30), advanced(Stage.RISING, 40, entries))
    assert [(each.since, each.stage, each.current, each.corrects_past) for each in told] == [
        (40, "rising", True, False)
    ]


def test_a_stage_that_only_began_earlier_is_told_as_a_correction() -> None:
    told = tellings(Standing(50, Stage.SILENT, 30), advanced(Stage.SILENT, 25))
    assert [(each.since, each.stage, each.corrects_past) for each in told] == [(25, "silent", True)]


def test_a_past_that_leads_to_the_same_present_is_not_told() -> None:
    entries = [Entry(20, Stage.SILENT, Stage.NEW, False), Entry(30, Stage.RISING, Stage.SILENT, False)]
    assert tellings(Standing(50, Stage.RISING, 30), advanced(Stage.RISING, 30, entries)) == []


def test_a_stage_that_is_gone_is_told_as_a_correction() -> None:
    told = tellings(Standing(50, Stage.NEW, 30), advanced(None, None))
    assert [(each.stage, each.from_stage, each.current, each.corrects_past) for each in told] == [
        (None, "new", True, True)
    ]


@pytest.fixture(scope="module")
def history() -> History:
    return load_history()


@pytest.fixture(scope="module")
def households(history: History) -> dict[str, list[int]]:
    orders: defaultdict[str, list[int]] = defaultdict(list)
    for basket in history.baskets():
        orders[basket.household_id].append(basket.at_us)
    return {household: sorted(times) for household, times in orders.items()}


@pytest.fixture(scope="module")
def histories(households: dict[str, list[int]]) -> list[list[Entry]]:
    return [advance(DEFAULT_MODEL, NOWHERE, orders, None, LAST_TICK_US).entries for orders in households.values()]


def test_a_year_of_real_orders_gives_the_figures_of_the_design_page(histories: list[list[Entry]]) -> None:
    """data.md, Complete Journey: 52,218 changes, 3,682 into silent, 382 customers came back."""
    entries = [entry for found in histories for entry in found]
    assert len(entries) == 52_218
    assert sum(entry.stage is Stage.SILENT for entry in entries) == 3_682
    assert sum(entry.reacquired for entry in entries) == 382


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("2017-02-01", [1_114, 80, 779, 4, 5, 0]),
        ("2017-03-01", [199, 523, 802, 442, 201, 0]),
        ("2017-05-01", [50, 638, 827, 493, 274, 45]),
        ("2017-07-01", [54, 643, 821, 509, 273, 93]),
        ("2017-10-01", [52, 689, 792, 495, 286, 132]),
        ("2018-01-01", [61, 660, 830, 494, 280, 144]),
    ],
)
def test_counts_of_real_customers_by_stage(histories: list[list[Entry]], day: str, expected: list[int]) -> None:
    at = us(datetime.fromisoformat(f"{day}T00:00:00+00:00"))
    held = Counter(
        found[index - 1].stage
        for found in histories
        if (index := bisect_right(found, at, key=lambda entry: entry.since))
    )
    assert [held[Stage(name)] for name in ("new", "rising", "mature", "declining", "silent", "churned")] == expected
