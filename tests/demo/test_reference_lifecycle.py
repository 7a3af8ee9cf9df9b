"""LC2-LC7: the reference's stage changes are what the definition says at every instant, edges of windows included."""

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import duckdb
import pytest

from demo.reference.lifecycle import build_stage_changes
from demo.reference.source import DAY_US, rows

Changes = list[tuple[int, str]]


def stage_at(orders: Iterable[int], now: int) -> str | None:
    """The definition of domain.md section 15, said once more in plain Python."""
    seen = sorted(at for at in orders if at <= now)
    if not seen:
        return None
    cycle = seen[0]
    for before, at in pairwise(seen):
        cycle = at if at > before + 90 * DAY_US else cycle
    last_30 = sum(now < at + 30 * DAY_US for at in seen)
    before_30 = sum(at + 30 * DAY_US <= now < at + 60 * DAY_US for at in seen)
    recent = now < seen[-1] + 30 * DAY_US
    conditions = {
        "mature": last_30 > 5,
        "new": now < cycle + 30 * DAY_US,
        "declining": recent and last_30 < before_30,
        "rising": recent,
        "churned": now >= seen[-1] + 90 * DAY_US,
    }
    return next((stage for stage, holds in conditions.items() if holds), "silent")


def changes_of(orders: dict[int, list[int]]) -> dict[int, Changes]:
    with duckdb.connect() as db:
        db.execute("CREATE TABLE orders (household_id BIGINT, at_us BIGINT)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", [[id_, at] for id_, times in orders.items() for at in times])
        build_stage_changes(db)
        found = rows(db, "SELECT household_id, at_us, to_stage FROM stage_changes ORDER BY ALL")
    return {id_: [(at, stage) for household, at, stage in found if household == id_] for id_ in orders}


def days(*numbers: float) -> list[int]:
    return [round(number * DAY_US) for number in numbers]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (days(0), [(0, "new"), (30, "silent"), (90, "churned")]),
        (days(0, 29), [(0, "new"), (30, "rising"), (59, "silent"), (119, "churned")]),
        (days(0, 30), [(0, "new"), (30, "rising"), (60, "silent"), (120, "churned")]),
        (days(0, 1, 2, 31), [(0, "new"), (30, "rising"), (32, "declining"), (61, "silent"), (121, "churned")]),
        (
            days(0, 1, 32),
            [
                *[(0, "new"), (30, "rising"), (31, "silent"), (32, "declining")],
                *[(60, "rising"), (62, "silent"), (122, "churned")],
            ],
        ),
        (days(*[0] * 6), [(0, "mature"), (30, "silent"), (90, "churned")]),
        (days(*[0] * 5), [(0, "new"), (30, "silent"), (90, "churned")]),
        (days(0, 90), [(0, "new"), (30, "silent"), (90, "rising"), (120, "silent"), (180, "churned")]),
        (days(0, 95), [(0, "new"), (30, "silent"), (90, "churned"), (95, "new"), (125, "silent"), (185, "churned")]),
    ],
)
def test_stages_change_exactly_at_the_edges(orders: list[int], expected: Changes) -> None:
    assert changes_of({1: orders})[1] == [(day * DAY_US, stage) for day, stage in expected]


def test_the_definition_holds_between_any_two_changes() -> None:
    """Random orders on half days, so that edges meet; looked at on each quarter day and just before it."""
    histories = dict(enumerate(random_histories(random.Random(2017), 40)))
    for id_, changes in changes_of(histories).items():
        for now in (quarter * DAY_US // 4 - early for quarter in range(1, 1_400) for early in (0, 1)):
            current = next((stage for at, stage in reversed(changes) if at <= now), None)
            assert current == stage_at(histories[id_], now)


def random_histories(chance: random.Random, count: int) -> Iterator[list[int]]:
    for _ in range(count):
        halves = chance.choice([40, 200, 400])
        yield [chance.randrange(halves) * DAY_US // 2 for _ in range(chance.randrange(1, 25))]
