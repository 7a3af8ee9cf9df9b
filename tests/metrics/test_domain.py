"""The arithmetic behind the figures, against published numbers."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.domain.facts import latest
from services.metrics.domain.figures import Deliveries, Group, lift, main_currency, recall
from services.metrics.domain.statistics import (
    Difference,
    Mean,
    Rate,
    compare_means,
    compare_rates,
    student_quantile,
    student_tail,
    wilson,
)

# Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10 ("hybrid score").
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
]
# Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3 (Wilson's score).
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]

shares = st.integers(1, 10**7).flatmap(lambda n: st.integers(0, n).map(lambda k: Rate(k, n)))


def known(difference: Difference) -> tuple[float, float, float, float]:
    """All of it, which must be there."""
    found = (difference.estimate, difference.low, difference.high, difference.p_value)
    assert all(each is not None for each in found)
    return cast(tuple[float, float, float, float], found)


@pytest.mark.parametrize(("k1", "n1", "k2", "n2", "low", "high"), NEWCOMBE)
def test_the_interval_of_a_lift_is_the_published_one(
    k1: int, n1: int, k2: int, n2: int, low: float, high: float
) -> None:
    found = compare_rates(Rate(k1, n1), Rate(k2, n2))
    assert found.low == pytest.approx(low, abs=5e-5)
    assert found.high == pytest.approx(high, abs=5e-5)
    assert found.estimate == pytest.approx(k1 / n1 - k2 / n2)


@pytest.mark.parametrize(("k", "n", "low", "high"), WILSON)
def test_the_interval_of_a_share_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    assert wilson(Rate(k, n)) == pytest.approx((low, high), abs=5e-5)


def test_the_p_value_is_that_of_the_pooled_z_test() -> None:
    # z = (0.8 - 0.6) / sqrt(104/150 * 46/150 * (1/70 + 1/80)) = 2.65
    assert compare_rates(Rate(56, 70), Rate(48, 80)).p_value == pytest.approx(0.0080, abs=5e-5)


@given(shares, shares)
def test_a_lift_lies_inside_its_interval_and_turns_its_sign_with_the_arms(one: Rate, other: Rate) -> None:
    there, back = compare_rates(one, other), compare_rates(other, one)
    estimate, low, high, p_value = known(there)
    assert -1 <= low <= estimate <= high <= 1
    assert 0 <= p_value <= 1
    assert known(back) == pytest.approx((-estimate, -high, -low, p_value), abs=1e-9)


@given(shares)
def test_without_a_second_arm_there_is_no_lift(rate: Rate) -> None:
    assert compare_rates(rate, Rate(0, 0)).estimate is None
    assert compare_rates(Rate(0, 0), rate).p_value is None


def test_a_rate_of_nothing_has_no_value() -> None:
    assert Rate(0, 0).value is None
    assert Rate(0, 3).value == 0


# Any printed table of Student's t: the two-sided 5 % points.
@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (10, 2.2281), (30, 2.0423), (1e6, 1.95996)]
)
def test_students_t_is_the_tabled_one(freedom: float, quantile: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(quantile, abs=5e-5)
    assert student_tail(quantile, freedom) == pytest.approx(0.05, abs=5e-5)


def _mean(values: list[int]) -> Mean:
    return Mean(len(values), sum(values), sum(value * value for value in values))


def test_the_interval_of_a_difference_of_means_is_welchs() -> None:
    # Student's sleep data (1908) in tenths of hours; R's t.test says df = 17.776, p = 0.07939.
    found = compare_means(_mean([7, -16, -2, -12, -1, 34, 37, 8, 0, 20]), _mean([19, 8, 11, 1, -1, 44, 55, 16, 46, 34]))
    assert found.estimate == pytest.approx(-15.8)
    assert found.low == pytest.approx(-33.65483, abs=1e-4)
    assert found.high == pytest.approx(2.05483, abs=1e-4)
    assert found.p_value == pytest.approx(0.07939, abs=1e-5)


@given(st.lists(st.integers(0, 2**53 - 1), min_size=1), st.lists(st.integers(0, 2**53 - 1), min_size=1))
def test_a_difference_of_means_lies_inside_its_interval(one: list[int], other: list[int]) -> None:
    found = compare_means(_mean(one), _mean(other))
    assert found.estimate is not None
    if found.low is not None:
        estimate, low, high, p_value = known(found)
        assert low <= estimate <= high
        assert 0 <= p_value <= 1


def test_recall_looks_at_silent_and_churned_customers_only() -> None:
    groups = [
        Group("treated", None, True, True, 10, 4),
        Group("treated", None, True, False, 5, 1),
        Group("treated", None, False, True, 100, 90),
        Group("held_out", None, True, True, 3, 3),
    ]
    assert recall(groups, "treated") == (Rate(5, 15), Rate(4, 10))


def test_a_campaign_that_does_not_recall_is_judged_by_all_its_customers() -> None:
    groups = [
        Group("treated", None, True, True, 12, later=2),
        Group("treated", None, False, True, 90),
        Group("held_out", None, False, False, 10, later=1),
    ]
    found = Deliveries(groups, {("treated", True): 4, ("treated", False): 50, ("held_out", False): 3}, [], 0, None)
    assert lift(found, "recall").treated == Rate(4, 10)
    assert lift(found, "recall").held_out == Rate(0, 0)
    assert lift(found, "revenue").treated == Rate(54, 100)
    assert lift(found, "revenue").held_out == Rate(3, 9)


def test_the_main_currency_is_the_most_frequent_of_the_first_counts_that_know_one() -> None:
    assert main_currency({}, {"EUR": 1, "USD": 2}) == "USD"
    assert main_currency({"CHF": 1}, {"USD": 2}) == "CHF"
    assert main_currency({"USD": 1, "EUR": 1}) == "EUR"
    assert main_currency({}, {}) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9))))
def test_of_several_versions_the_highest_is_kept(rows: list[tuple[int, int]]) -> None:
    found = latest(rows, key=lambda row: row[0], rank=lambda row: row[1])
    assert found == sorted((key, max(rank for k, rank in rows if k == key)) for key in {key for key, _ in rows})
