"""Thousands of simulated campaigns whose truth is known: how often the measured lift's interval holds it."""

import random
from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cache
from itertools import accumulate
from math import exp, lgamma, log
from typing import NamedTuple

import pytest

from services.metrics.domain.figures import HELD_OUT, RECALL_GOAL, TREATED, Deliveries, Group, Lift, lift

CAMPAIGNS = 4000
RATES = (0.02, 0.05, 0.1, 0.2, 0.4)
SIZES = ((450, 50), (900, 100), (4500, 500), (800, 200), (240, 60), (700, 300), (500, 500))
LIFTS = (0.0, 0.02, 0.08)


class Scenario(NamedTuple):
    """So many customers in each arm, who come back by themselves with `natural` and by the coupon with `lift` more."""

    treated: int
    held_out: int
    natural: float
    lift: float

    @property
    def few(self) -> bool:
        """So rare that the discrete counts, not the method, decide what share can be held at all."""
        return self.held_out * self.natural < 2


SCENARIOS = [Scenario(*sizes, natural, more) for sizes in SIZES for natural in RATES for more in LIFTS]
ARMS_ALIKE = [each for each in SCENARIOS if each.lift == 0]


def campaigns(scenario: Scenario, count: int = CAMPAIGNS) -> Iterator[Lift]:
    """What metrics says of `count` campaigns of this kind; the same ones in every run."""
    dice = random.Random(str(scenario))
    treated = binomial(scenario.treated, scenario.natural + scenario.lift)
    held_out = binomial(scenario.held_out, scenario.natural)
    judge = cache(lambda back, alone: measure(scenario, back, alone))
    return (judge(treated(dice.random()), held_out(dice.random())) for _ in range(count))


def measure(scenario: Scenario, back: int, alone: int) -> Lift:
    """`back` of the treated and `alone` of the held out ordered inside the window of their first delivery."""
    groups = [
        Group(TREATED, None, True, True, scenario.treated, back),
        Group(HELD_OUT, None, True, True, scenario.held_out, alone),
    ]
    firsts = {(TREATED, True): back, (HELD_OUT, True): alone}
    return lift(Deliveries(groups, firsts, [], 0, None), RECALL_GOAL)


def binomial(size: int, share: float) -> Callable[[float], int]:
    """How many of `size` it happens to, by an even draw from [0, 1)."""
    logs = (
        lgamma(size + 1) - lgamma(k + 1) - lgamma(size - k + 1) + k * log(share) + (size - k) * log(1 - share)
        for k in range(size + 1)
    )
    below = list(accumulate(map(exp, logs)))
    return lambda draw: min(bisect(below, draw), size)


def coverage(scenario: Scenario) -> float:
    found = [each.difference for each in campaigns(scenario)]
    held = sum(
        each.low is not None and each.high is not None and each.low <= scenario.lift <= each.high for each in found
    )
    return held / len(found)


def significant(scenario: Scenario) -> float:
    p_values = [each.difference.p_value for each in campaigns(scenario)]
    return sum(p is not None and p < 0.05 for p in p_values) / len(p_values)


def mean(shares: list[float]) -> float:
    return sum(shares) / len(shares)


@pytest.fixture(scope="module")
def covered() -> dict[Scenario, float]:
    return {scenario: coverage(scenario) for scenario in SCENARIOS}


def test_the_interval_of_a_lift_holds_the_truth_in_95_of_100_campaigns(covered: dict[Scenario, float]) -> None:
    """Issue 4: in 93 to 97 %, over all and in every scenario in which arms are not nearly empty"""
    assert len(covered) * CAMPAIGNS > 400_000
    assert 0.945 <= mean(list(covered.values())) <= 0.96
    outside = {each: share for each, share in covered.items() if not 0.93 <= share <= 0.97 and not each.few}
    assert outside == {}


def test_where_hardly_anybody_comes_back_the_interval_is_rather_too_wide(covered: dict[Scenario, float]) -> None:
    few = {each: share for each, share in covered.items() if each.few}
    assert len(few) >= 5
    assert {each: share for each, share in few.items() if not 0.945 <= share <= 0.985} == {}


def test_arms_that_are_alike_differ_significantly_in_5_of_100_campaigns() -> None:
    """Issue 4: A/A campaigns are significant in 5 % ± 1.4"""
    found = {scenario: significant(scenario) for scenario in ARMS_ALIKE}
    assert 0.045 <= mean(list(found.values())) <= 0.055
    outside = {each: share for each, share in found.items() if not 0.036 <= share <= 0.064}
    assert outside == {}
