"""Targeting's rules alone."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.targeting import domain
from services.targeting.domain import NOBODY, Arm, Case, Cause, Kind, Known, Reason, Status, Trigger
from services.targeting.errors import (
    CampaignNotActive,
    CampaignNotDraft,
    CampaignNotRunning,
    CampaignNotStartable,
    CampaignOver,
    EndsBeforeStart,
    ListCannotBeEntered,
    TriggerOutsideWindow,
)
from shared.ids import Ids
from tests.targeting.making import DAY, HOUR, SEGMENT, T0, campaign, listed

MICRO = timedelta(microseconds=1)


@pytest.mark.parametrize("ends_at", [T0, T0 - MICRO])
def test_a_campaign_ends_after_it_starts(ends_at: datetime) -> None:
    with pytest.raises(EndsBeforeStart):
        domain.check(campaign(starts_at=T0, ends_at=ends_at))


def test_nobody_enters_a_list() -> None:
    with pytest.raises(ListCannotBeEntered):
        domain.check(campaign(listed(1), Trigger.ENTERED))


@pytest.mark.parametrize("at", [T0 - MICRO, T0 + DAY])
def test_a_scheduled_campaign_fires_inside_its_window(at: datetime) -> None:
    with pytest.raises(TriggerOutsideWindow):
        domain.check(campaign(listed(1), trigger_at=at, ends_at=T0 + DAY))
    domain.check(campaign(listed(1), trigger_at=T0 + DAY - MICRO, ends_at=T0 + DAY))
    domain.check(campaign(listed(1), ends_at=T0 + DAY))


ALLOWED = {
    "start": {Status.DRAFT, Status.PAUSED},
    "pause": {Status.ACTIVE},
    "stop": {Status.ACTIVE, Status.PAUSED},
    "delete": {Status.DRAFT},
}
REFUSED = {
    "start": CampaignNotStartable,
    "pause": CampaignNotActive,
    "stop": CampaignNotRunning,
    "delete": CampaignNotDraft,
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", list(ALLOWED))
def test_every_state_allows_what_it_allows_and_refuses_the_rest(status: Status, verb: str) -> None:
    checks = {
        "start": lambda it: domain.check_start(it, T0),
        "pause": domain.check_pause,
        "stop": domain.check_stop,
        "delete": domain.check_delete,
    }
    it = campaign(status=status)
    if status in ALLOWED[verb]:
        checks[verb](it)
    else:
        with pytest.raises(REFUSED[verb]):
            checks[verb](it)


def test_a_campaign_whose_end_is_over_does_not_start() -> None:
    with pytest.raises(CampaignOver):
        domain.check_start(campaign(ends_at=T0 + DAY), T0 + DAY)
    domain.check_start(campaign(ends_at=T0 + DAY), T0 + DAY - MICRO)


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.PAUSED])
def test_a_started_campaign_keeps_its_arms_its_audience_and_its_offer(status: Status) -> None:
    it = campaign(status=status)
    domain.check_change(it, set(domain.CHANGEABLE))
    for fixed in ("holdout", "audience", "template_id", "goal", "channel", "business_line", "starts_at", "trigger"):
        with pytest.raises(CampaignNotDraft):
            domain.check_change(it, {"name", fixed})


@pytest.mark.parametrize("status", [Status.STOPPED, Status.ENDED])
def test_a_campaign_that_is_over_does_not_change(status: Status) -> None:
    with pytest.raises(CampaignOver):
        domain.check_change(campaign(status=status), {"name"})


def cause(at: datetime, told_at: datetime) -> Cause:
    return Cause(Kind.STAGE, "silent", "cus_a", at, told_at, 3)


@given(
    at=st.integers(-100, 100),
    told=st.integers(-100, 100),
    age=st.integers(1, 100),
    ends=st.none() | st.integers(1, 100),
)
def test_a_cause_triggers_inside_the_window_while_young_and_only_at_its_own_tick(
    at: int, told: int, age: int, ends: int | None
) -> None:
    it = campaign(max_cause_age_hours=age, ends_at=None if ends is None else T0 + ends * HOUR)
    tick, previous = 50, 40
    expected = at >= 0 and (ends is None or at < ends) and tick - age < at and previous < told
    now, before = T0 + tick * HOUR, T0 + previous * HOUR
    assert domain.triggers(it, cause(T0 + at * HOUR, T0 + told * HOUR), now, before) is expected


def test_a_suppressed_decision_is_in_neither_arm() -> None:
    assert domain.arm_of(0.0, 1.0, Reason.CAUSE_GONE) == (Arm.SUPPRESSED, [Reason.CAUSE_GONE])


@given(share=st.floats(0, 1, exclude_max=True), holdout=st.floats(0, 1))
def test_the_arm_is_by_the_customers_share(share: float, holdout: float) -> None:
    arm, reasons = domain.arm_of(share, holdout, None)
    assert arm is (Arm.HELD_OUT if share < holdout else Arm.TREATED)
    assert reasons == ([Reason.HOLDOUT] if share < holdout else [])


@given(st.text(max_size=20), st.text(max_size=20))
def test_nobody_is_held_out_of_0_and_everybody_of_1(campaign_id: str, customer_id: str) -> None:
    share = Ids("a secret of this test").share("holdout", campaign_id, customer_id)
    assert domain.arm_of(share, 0.0, None)[0] is Arm.TREATED
    assert domain.arm_of(share, 1.0, None)[0] is Arm.HELD_OUT


def test_a_cause_reads_the_same_in_every_zone() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert str(cause(T0, T0)) == str(cause(T0.astimezone(tokyo), T0)) == "stage:silent@2026-01-01T00:00:00Z"
    assert str(cause(T0 + MICRO, T0)) == "stage:silent@2026-01-01T00:00:00.000001Z"


def test_a_decision_names_the_versions_of_its_rules() -> None:
    it = replace(campaign(SEGMENT), version=9)
    unknown = Case("cus_a", "segment:seg_1@...", T0, NOBODY)
    assert domain.decide("dec_1", it, unknown, 0.5, T0).rule_versions == {"campaign": 9}
    member = Case("cus_a", "segment:seg_1@...", T0, Known("new", T0, 3), segment_version=7)
    assert domain.decide("dec_1", it, member, 0.5, T0).rule_versions == {"campaign": 9, "lifecycle": 3, "segment": 7}
