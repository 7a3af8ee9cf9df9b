"""Coupons' rules by themselves."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.coupons.domain import (
    Discount,
    DiscountType,
    Validity,
    ValidityType,
    check_definition,
    discount_on,
    is_claimable,
    normalise,
    use_window,
)
from services.coupons.errors import TemplateInvalid
from tests.coupons.given import AS_REPORTED, DAY, T0, template

MONEY = st.integers(0, 2**53 - 1)
DISCOUNTS = st.builds(
    Discount, st.just(DiscountType.AMOUNT_OFF), st.just("USD"), amount=st.integers(1, 2**53 - 1)
) | st.builds(
    Discount,
    st.just(DiscountType.PERCENT_OFF),
    st.just("USD"),
    percent=st.integers(1, 100),
    cap=st.none() | st.integers(1, 2**53 - 1),
)


@given(DISCOUNTS, st.none() | st.integers(0, 100), MONEY)
def test_both_shares_sum_to_the_discount_to_the_cent(discount: Discount, share: int | None, amount: int) -> None:
    """CP13."""
    split = discount_on(template(discount=discount, platform_share=share), amount)
    assert split.platform >= 0
    assert split.merchant >= 0
    assert split.amount <= amount
    whole = 100 if share is None else share
    assert split.platform == split.amount * whole // 100


@pytest.mark.parametrize(
    ("percent", "cap", "amount", "expected"),
    [(10, None, 1999, 199), (10, 150, 1999, 150), (100, None, 1999, 1999), (1, None, 99, 0)],
)
def test_percent_is_rounded_down_and_capped(percent: int, cap: int | None, amount: int, expected: int) -> None:
    """CP1."""
    discount = Discount(DiscountType.PERCENT_OFF, "USD", percent=percent, cap=cap)
    assert discount_on(template(discount=discount), amount).amount == expected


def test_a_discount_is_never_more_than_the_order() -> None:
    assert discount_on(template(), 499).amount == 499
    assert discount_on(template(), 501).amount == 500


def test_days_run_from_the_issue_and_end_with_the_template_unless_they_may_outlive_it() -> None:
    """CP10, section 15."""
    days = Validity(ValidityType.RELATIVE, days=14)
    assert use_window(template(validity=days), T0) == (T0, T0 + 14 * DAY)
    assert use_window(template(validity=days, ends_at=T0 + 3 * DAY), T0) == (T0, T0 + 3 * DAY)
    longer = Validity(ValidityType.RELATIVE, days=14, may_outlive_template=True)
    assert use_window(template(validity=longer, ends_at=T0 + 3 * DAY), T0) == (T0, T0 + 14 * DAY)


def test_a_static_validity_begins_at_its_instant_but_not_before_the_issue() -> None:
    """CP10."""
    static = Validity(ValidityType.STATIC, starts_at=T0, ends_at=T0 + 2 * DAY)
    assert use_window(template(validity=static), T0 - DAY) == (T0, T0 + 2 * DAY)
    assert use_window(template(validity=static), T0 + DAY) == (T0 + DAY, T0 + 2 * DAY)


def test_coupons_are_issued_in_the_half_open_interval_of_the_template() -> None:
    """CP9."""
    longer = Validity(ValidityType.RELATIVE, days=9, may_outlive_template=True)
    limited = template(starts_at=T0, ends_at=T0 + DAY, validity=longer)
    moment = timedelta(microseconds=1)
    assert not is_claimable(limited, T0 - moment)
    assert is_claimable(limited, T0)
    assert is_claimable(limited, T0 + DAY - moment)
    assert not is_claimable(limited, T0 + DAY)


def test_nothing_is_issued_that_nobody_could_use_any_more() -> None:
    static = Validity(ValidityType.STATIC, starts_at=T0, ends_at=T0 + DAY)
    assert not is_claimable(template(validity=static), T0 + DAY)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"starts_at": T0, "ends_at": T0}, "/ends_at"),
        ({"validity": Validity(ValidityType.STATIC, starts_at=T0, ends_at=T0)}, "/validity/ends_at"),
        ({"discount": AS_REPORTED, "platform_share": 50}, "/subsidy"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields: dict[str, object], pointer: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        check_definition(template(**fields))
    assert refused.value.pointer == pointer


def test_a_code_is_the_same_however_it_is_typed() -> None:
    assert normalise("  7kqm-2xpd-r4tn-9hb\n") == "7KQM2XPDR4TN9HB"


def test_the_year_9999_is_an_instant_too() -> None:
    forever = Validity(ValidityType.STATIC, starts_at=T0, ends_at=datetime(9999, 12, 31, tzinfo=UTC))
    assert is_claimable(template(validity=forever), T0)
