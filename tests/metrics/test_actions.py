"""Figures are a function of the set of facts: twice is once, and the order of telling does not matter."""

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.events import Event
from shared.inserting import ENOUGH
from tests.metrics.conftest import Desk
from tests.metrics.telling import (
    campaign,
    day,
    decided,
    issued,
    paid,
    redeemed,
    refunded,
    refused,
    rolled_back,
    staged,
    visited,
    withheld,
)
from tests.support.doing import rows
from tests.support.doing import told as told_by_metrics

HISTORY: list[Event] = [
    *[campaign(), campaign(version=2, name="renamed"), campaign("c2", goal="revenue")],
    *[decided("a"), issued("a"), decided("a2", day(30)), issued("a2", day(30))],
    *[decided("b", customer="ben", arm="held_out"), withheld("b", customer="ben")],
    *[decided("c", customer="cleo"), refused("c", customer="cleo")],
    *[decided("d", customer="dan", arm="suppressed", reasons=["cause-gone"])],
    *[decided("e", customer="eve", campaign_id="c2", stage="new"), issued("e", customer="eve", campaign_id="c2")],
    *[paid("o1", day(1)), refunded("o1", day(1), 300), refunded("o1", day(1), 500, version=3)],
    *[paid("o2", day(2), "ben"), refunded("o2", day(2), 1000, "ben")],
    *[paid("o3", day(3), "eve", currency="EUR"), paid("o4", day(31)), paid("o5", day(-3))],
    *[redeemed("r1", "o1", "a"), rolled_back("r1", "o1", "a"), redeemed("r1b", "o1", "a"), redeemed("r2", "o4", "a2")],
    *[redeemed("r3", "o3", "e", "eve", campaign_id="c2", currency="EUR"), rolled_back("r4", "o4", "a2")],
    *[visited(day(1)), visited(day(2)), visited(day(-1)), visited(day(4), "eve")],
    *[staged("new", day(1)), staged("rising", day(5)), staged("silent", day(36)), staged("new", day(3), "eve")],
]
AT = day(40)


async def figures(desk: Desk) -> list[object]:
    paths = ("campaigns/c1/metrics", "campaigns/c2/metrics", "metrics/overview", "metrics/stages", "metrics/sales")
    return [await desk.get(f"/v1/{path}") for path in (*paths, "metrics/campaigns", "metrics/channels")]


async def test_twice_is_once(desk: Desk) -> None:
    await desk.hear(*HISTORY)
    await desk.tick(AT)
    once = await figures(desk)
    await desk.hear(*HISTORY)
    for event in HISTORY:
        await desk.hear(event, event)
    assert await figures(desk) == once


async def test_in_a_large_batch_too_the_highest_version_of_each_order_is_kept(desk: Desk) -> None:
    await desk.hear(*[paid(f"o{number}", day(1), amount=100) for number in range(ENOUGH)])
    await desk.hear(*[paid(f"o{number}", day(1), amount=300, version=2) for number in range(1, ENOUGH + 1)])
    await desk.hear(*[paid(f"o{number}", day(1), amount=200) for number in range(ENOUGH)])
    found = await rows(desk.database, "SELECT amount, count(*) FROM orders GROUP BY amount ORDER BY amount")
    assert found == [{"amount": 100, "count": 1}, {"amount": 300, "count": ENOUGH}]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(told=st.permutations(HISTORY), cuts=st.lists(st.integers(1, len(HISTORY) - 1), max_size=6))
async def test_figures_are_the_same_in_any_order(desk: Desk, told: list[Event], cuts: list[int]) -> None:
    if not desk.remembered:
        await desk.tick(AT)
        await desk.hear(*HISTORY)
        desk.remembered = await figures(desk)
    await desk.forget()
    for start, end in pairwise([0, *sorted(cuts), len(told)]):
        await desk.hear(*told[start:end])
    assert await figures(desk) == desk.remembered


async def test_metrics_tells_nothing(desk: Desk) -> None:
    """Its worker has no relay: whatever lay in its outbox would stay there."""
    await desk.hear(*HISTORY)
    assert await told_by_metrics(desk.database) == []
