"""The simulated storefront alone: the same seed is the same story, and its truth is what its customers do."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from demo.simulation.plan import ATTRIBUTION_DAYS, SILENCE, STEPS_OF_A_TICK, Impossible, Plan
from demo.simulation.population import Customer, Fate, comes_back, expected_lift, expected_recall, make_population
from demo.simulation.shop import Shop
from demo.simulation.telling import Teller, Told
from shared import topics
from shared.events.codec import decode, encode

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PLAN = Plan(rate=400, seconds=20, seed=7, customers=300, clock="stream", speed=6)
LIVE = Plan(rate=200, seconds=40, seed=7, customers=300, clock="wall")


def play(plan: Plan = PLAN, *, coupons: bool = False, late: int = 0) -> tuple[list[Told], Shop]:
    """A run without a system: whoever falls silent is given a coupon at that tick, or `late` steps after it."""
    population = make_population(plan.seed, plan.customers)
    shop = Shop(plan.seed, population, plan.calendar(START), Teller("run", population))
    told = list(shop.resume()) if plan.clock == "wall" else []
    if plan.clock == "stream":
        shop.open()
    silent: dict[int, datetime] = last_orders(told)
    offered: set[tuple[int, datetime]] = set()
    for step in range(1, plan.steps + 1):
        at = START + step * plan.step
        events = shop.pass_to(at, plan.rate * step // 20 - plan.rate * (step - 1) // 20)
        told += events
        silent |= last_orders(events)
        if coupons and step % STEPS_OF_A_TICK == 0:
            for number, ordered_at in silent.items():
                due = ordered_at + SILENCE + late * plan.step <= at
                if due and (number, ordered_at) not in offered:
                    offered.add((number, ordered_at))
                    shop.offer(number, f"code-{number}")
    return told, shop


def last_orders(told: list[Told]) -> dict[int, datetime]:
    return {int(key.split("-")[1]): event.time for topic, key, event in told if topic == topics.STOREFRONT_ORDERS}


def bytes_of(told: list[Told]) -> list[tuple[str, str, bytes]]:
    return [(topic, key, encode(event)) for topic, key, event in told]


def orders_by_customer(told: list[Told]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for topic, key, event in told:
        if topic == topics.STOREFRONT_ORDERS:
            found.setdefault(key, []).append(event.time)
    return found


@pytest.mark.parametrize("plan", [PLAN, LIVE], ids=["months", "live"])
def test_the_same_seed_is_the_same_story(plan: Plan) -> None:
    told = bytes_of(play(plan, coupons=True)[0])
    assert told == bytes_of(play(plan, coupons=True)[0])
    other = Plan(plan.rate, plan.seconds, 8, plan.customers, plan.clock, plan.speed)
    assert told != bytes_of(play(other, coupons=True)[0])


def test_a_coupon_that_is_heard_a_tick_later_changes_nothing() -> None:
    """However fast the system is: the calendar leaves two ticks between a silence and the first return."""
    on_time, shop = play(coupons=True)
    assert shop.uses
    assert bytes_of(play(coupons=True, late=STEPS_OF_A_TICK)[0]) == bytes_of(on_time)
    assert bytes_of(play()[0]) != bytes_of(on_time)


@pytest.mark.parametrize("plan", [PLAN, LIVE], ids=["months", "live"])
def test_the_rate_is_kept_in_every_tick(plan: Plan) -> None:
    told = [event.time for _, _, event in play(plan, coupons=True)[0] if event.time > START]
    ticks = Counter(-(-(time - START) // (STEPS_OF_A_TICK * plan.step)) for time in told)
    assert len(told) == plan.events
    assert set(ticks.values()) == {plan.rate * STEPS_OF_A_TICK // 20}


def test_what_is_told_is_readable_in_order_and_told_once() -> None:
    told, _ = play(coupons=True)
    assert [event.time for _, _, event in told] == sorted(event.time for _, _, event in told)
    assert all(decode(encode(event)) == event for _, _, event in told[:500])
    assert len({event.id for _, _, event in told}) == len(told)
    assert {key for _, key, _ in told} <= {f"run-{number}" for number in range(PLAN.customers)}


def test_nobody_seems_silent_who_goes_on_buying_and_all_return_inside_the_window() -> None:
    told, _ = play(coupons=True)
    gaps = [later - one for times in orders_by_customer(told).values() for one, later in pairwise(times)]
    silences = [gap - SILENCE for gap in gaps if gap >= SILENCE]
    assert max(gap for gap in gaps if gap < SILENCE) < 25 * DAY
    assert len(silences) > 20
    calendar = PLAN.calendar(START)
    assert calendar.soonest <= min(silences) < max(silences) <= calendar.latest < ATTRIBUTION_DAYS * DAY


def test_in_a_live_run_some_fall_silent_and_come_back_before_it_ends() -> None:
    told, shop = play(LIVE, coupons=True)
    past = [event.time for _, _, event in told[: 2 * LIVE.customers]]
    assert max(past) < START
    calendar = LIVE.calendar(START)
    falling = [at for at in past if calendar.starts_at <= at + SILENCE < calendar.closes_at]
    assert 0.2 * LIVE.customers < len(falling) < 0.4 * LIVE.customers
    assert shop.uses
    assert max(event.time for _, _, event in told) <= calendar.ends_at


def test_the_truth_is_the_share_that_comes_back() -> None:
    people, fate = make_population(3, 200), Fate(3)
    for treated in (False, True):
        back = [comes_back(fate, each, silence, treated=treated) for each in people for silence in range(500)]
        assert sum(back) / len(back) == pytest.approx(expected_recall(people, treated=treated), abs=0.004)
    with_coupon, without = expected_recall(people, treated=True), expected_recall(people, treated=False)
    assert with_coupon is not None
    assert without is not None
    assert expected_lift(people) == pytest.approx(with_coupon - without)
    assert expected_lift([]) is expected_recall([], treated=True) is None


@pytest.mark.parametrize("coupons", [True, False])
def test_as_many_come_back_in_the_story_as_the_truth_says(coupons: bool) -> None:
    plan = Plan(rate=3000, seconds=30, seed=2, customers=4000, clock="wall")
    told, shop = play(plan, coupons=coupons)
    calendar = plan.calendar(START)
    by_customer = orders_by_customer(told)
    falling = {
        key: times
        for key, times in by_customer.items()
        if calendar.starts_at <= times[1] + SILENCE < calendar.closes_at
    }
    people = [shop.population[int(key.split("-")[1])] for key in falling]
    truth = expected_recall(people, treated=coupons)
    assert truth is not None
    found = sum(len(times) > 2 for times in falling.values()) / len(falling)
    assert abs(found - truth) < 3 * (truth * (1 - truth) / len(falling)) ** 0.5


def test_a_coupon_keeps_nobody_away() -> None:
    people, fate = make_population(3, 500), Fate(3)
    alone = {each.number for each in people if comes_back(fate, each, 0, treated=False)}
    called = {each.number for each in people if comes_back(fate, each, 0, treated=True)}
    assert alone < called


def test_a_larger_population_only_adds_people() -> None:
    few, many = make_population(5, 20), make_population(5, 60)
    assert many[:20] == few
    assert len({each[1:] for each in many}) == 60
    assert all(_is_possible(each) for each in many)


def _is_possible(each: Customer) -> bool:
    return min(each.visits, each.dropout, each.natural, each.response) > 0 and each.natural + each.response < 1


IMPOSSIBLE = [
    (Plan(400, 20, 1, 300, "wall", speed=6), "--speed needs"),
    (Plan(400, 4, 1, 300, "stream"), "are 48 days"),
    (Plan(400, 20, 1, 300, "stream", speed=13), "at most 12 days a second"),
    (Plan(10, 20, 1, 300, "stream"), "ask for fewer customers or a rate of"),
]


@pytest.mark.parametrize(("plan", "reason"), IMPOSSIBLE)
def test_what_cannot_be_simulated_is_refused_with_what_could_be(plan: Plan, reason: str) -> None:
    with pytest.raises(Impossible, match=reason):
        plan.check(make_population(plan.seed, plan.customers))
