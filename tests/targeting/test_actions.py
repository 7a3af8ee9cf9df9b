"""What targeting knows after events, and what operators may do with campaigns, on a real database."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.targeting import actions
from services.targeting.consumers import consumers
from services.targeting.domain import Campaign, Status
from services.targeting.errors import CampaignNotFound, CampaignOverlaps
from shared import topics
from shared.database import Database, execute
from shared.errors import Refusal
from shared.events import Event
from shared.events.coupons import Coupon, CouponIssued, CouponRefused, CouponWithheld
from shared.events.coupons import Refusal as RefusalData
from shared.events.targeting import CampaignUpdated
from shared.migrations import upgrade_async
from tests.support.databases import Admin
from tests.targeting.making import (
    DAY,
    HOUR,
    SEGMENT,
    SILENT,
    T0,
    World,
    campaign,
    customer,
    entered,
    known,
    left,
    listed,
    staged,
)

FACTS = ("known_customers", "known_memberships", "pending_causes")
TICK = T0 + 8 * HOUR

names = st.sampled_from(["cus_a", "cus_b"])
instants = st.integers(0, 7).map(lambda hours: T0 + hours * HOUR)
ticks = st.sampled_from([T0 + 7 * HOUR, TICK])
staged_events = st.builds(
    staged, names, st.sampled_from(["silent", "rising", None]), instants, ticks, current=st.booleans()
)
entered_events = st.builds(entered, names, instants, ticks, backfilled=st.booleans())
left_events = st.builds(left, names, instants, ticks)
histories = st.lists(staged_events | entered_events | left_events | st.builds(known, names), min_size=1, max_size=12)


@pytest.fixture
def address(admin: Admin) -> Iterator[str]:
    url = asyncio.run(admin.fresh("targeting", upgrade_async))
    yield url
    asyncio.run(admin.drop(url))


# One database for all examples: each empties it first.
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(events=histories, seed=st.integers(0, 2**32))
def test_any_order_between_two_ticks_gives_the_same_facts_and_decisions(
    address: str, events: list[Event], seed: int
) -> None:
    """However the events were shuffled, repeated and cut into batches."""
    dice = random.Random(seed)
    shuffled = [*events, *dice.choices(events, k=3)]
    dice.shuffle(shuffled)
    cut = dice.randrange(len(shuffled) + 1)

    async def compare() -> None:
        database = Database(address, size=1)
        straight = await _outcome(World(database), [events])
        assert await _outcome(World(database), [shuffled[:cut], shuffled[cut:]]) == straight
        await database.close()

    asyncio.run(compare())


async def _outcome(world: World, batches: list[list[Event]]) -> Any:
    async with world.database.transaction() as session:
        await execute(session, f"TRUNCATE {', '.join(FACTS)}, campaigns, campaign_versions, decisions, outbox")
        await execute(session, "UPDATE clock SET at = $1", T0)
    for audience in (SILENT, SEGMENT):
        await world.start(campaign(audience, campaign_id=f"cmp_{audience.kind}", max_cause_age_hours=5))
    for batch in batches:
        if batch:
            await world.hear(*batch)
    facts = [await world.rows(f"SELECT * FROM {table} ORDER BY {table}::text") for table in FACTS]
    await world.tick(TICK)
    decided = [
        (each.decision_id, each.arm, each.reasons, each.stage, each.stage_since) for each in await world.decided()
    ]
    return facts, decided


async def test_a_customer_is_known_from_a_stage_alone(world: World) -> None:
    await world.hear(staged("cus_a", "new", T0, T0 + HOUR))
    await world.hear(known("anna"), known("anna", version=2))
    found = await world.rows("SELECT customer_id, stage FROM known_customers ORDER BY stage")
    assert found == [{"customer_id": "cus_a", "stage": "new"}, {"customer_id": customer("anna"), "stage": None}]


@pytest.mark.parametrize("fact", ["first_visit_at", "first_order_at"])
async def test_who_came_or_bought_is_known_as_of_that_instant(world: World, fact: str) -> None:
    """Profile may tell it a little ahead of the tick: by the stage, every worker knows it at the same one."""
    facts: dict[str, Any] = {fact: T0}
    await world.hear(known("anna", **facts))
    assert await world.rows("SELECT customer_id FROM known_customers") == []
    await world.hear(staged(customer("anna"), "new", T0, T0 + HOUR))
    assert await world.rows("SELECT customer_id FROM known_customers") == [{"customer_id": customer("anna")}]


async def test_a_step_that_was_only_passed_through_is_not_the_stage(world: World) -> None:
    await world.hear(staged("cus_a", "new", T0, T0 + HOUR))
    await world.hear(staged("cus_a", "silent", T0 + 2 * HOUR, T0 + DAY, current=False))
    assert await world.rows("SELECT stage FROM known_customers") == [{"stage": "new"}]


async def test_a_customer_without_a_stage_any_more_has_none(world: World) -> None:
    """A wholly refunded first order: the history is restated to nothing."""
    await world.hear(staged("cus_a", "new", T0, T0 + HOUR))
    await world.hear(staged("cus_a", None, T0, T0 + 2 * HOUR, corrects_past=True))
    assert await world.rows("SELECT stage FROM known_customers") == [{"stage": None}]


def test_what_coupons_feeds_back_is_not_clocked() -> None:
    """Else targeting would wait for coupons and coupons for targeting, for ever."""
    assert consumers.unclocked == [topics.COUPONS]
    assert consumers.clocked == [topics.PROFILE, topics.SEGMENTATION]


def coupon(decision_id: str, number: int = 1) -> CouponIssued:
    data = Coupon(
        coupon_id=f"cpn_{number}",
        code=f"CODE{number}",
        decision_id=decision_id,
        campaign_id="cmp_1",
        customer_id="cus_a",
        template_id="tpl_1",
        template_version=1,
        kind="recall",
        channel="push",
        issued_at=T0 + HOUR,
        valid_from=T0,
        valid_until=T0 + DAY,
    )
    return CouponIssued(id=data.coupon_id, source="coupons", time=T0, data=data)


def answer(event: type[CouponWithheld | CouponRefused], decision_id: str, code: str | None) -> Event:
    data = RefusalData(
        decision_id=decision_id,
        campaign_id="cmp_1",
        customer_id="cus_a",
        channel="push",
        arm="treated",
        decided_at=T0 + HOUR,
        code=code,
    )
    return event(id=f"ref:{decision_id}", source="coupons", time=T0, data=data)


async def test_outcomes_are_kept_once_and_may_come_before_their_decisions(world: World) -> None:
    """A restored targeting decides again, after coupons has already answered."""
    events = [
        coupon("dec_1"),
        answer(CouponWithheld, "dec_2", None),
        answer(CouponRefused, "dec_3", "possession-cap"),
    ]
    await world.hear(*events, *events)
    await world.hear(*reversed(events))
    found = await world.rows("SELECT decision_id, outcome, code, coupon_code FROM decision_outcomes ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        ("dec_1", "issued", None, "CODE1"),
        ("dec_2", "withheld", None, None),
        ("dec_3", "refused", "possession-cap", None),
    ]


async def test_every_change_of_a_campaign_is_a_new_version_that_is_told_and_kept(world: World) -> None:
    made = await world.create(campaign())
    await world.do(actions.change_campaign, made.campaign_id, {"holdout": 0.5}, [], T0)
    await world.do(actions.start_campaign, made.campaign_id, T0)
    await world.do(actions.pause_campaign, made.campaign_id)
    await world.do(actions.stop_campaign, made.campaign_id)
    events = [event for event in await world.told() if isinstance(event, CampaignUpdated)]
    assert [event.data.status for event in events] == ["draft", "draft", "active", "paused", "stopped"]
    versions = [event.data.version for event in events]
    assert versions == sorted(set(versions))
    kept = await world.rows("SELECT version, definition->>'holdout' AS holdout FROM campaign_versions ORDER BY 1")
    assert [row["version"] for row in kept] == versions
    assert [row["holdout"] for row in kept] == ["0", "0.5", "0.5", "0.5", "0.5"]


async def test_a_change_that_changes_nothing_is_no_new_version(world: World) -> None:
    made = await world.create(campaign())
    same = await world.do(actions.change_campaign, made.campaign_id, {"name": made.name}, [], T0)
    assert same == made


async def test_the_version_rises_even_when_the_wall_clock_went_back(world: World) -> None:
    """A hybrid logical clock: the highest version wins everywhere, also after a restore."""
    made = await world.create(campaign())
    ahead = made.version + 10**15
    async with world.database.transaction() as session:
        await session.driver.execute("UPDATE campaigns SET version = $1", ahead)
    assert (await world.do(actions.start_campaign, made.campaign_id, T0)).version == ahead + 1


async def test_a_deleted_draft_is_gone_with_its_list(world: World) -> None:
    made = await world.create(campaign(listed(2)), ["a", "b"])
    await world.do(actions.delete_campaign, made.campaign_id)
    for table in ("campaigns", "campaign_audience", "campaign_versions"):
        assert await world.rows(f"SELECT * FROM {table}") == []
    assert [event.data.status for event in await world.told()] == ["draft", "deleted"]  # pyright: ignore
    with pytest.raises(CampaignNotFound):
        await world.do(actions.start_campaign, made.campaign_id, T0)


async def test_a_second_campaign_for_the_same_stage_at_the_same_time_is_refused(world: World) -> None:
    """TG11, naming the first; a paused one counts, and so does one that has not begun yet."""
    first = await world.start(campaign(name="First", starts_at=T0 + DAY, ends_at=T0 + 2 * DAY))
    second = await world.create(campaign(name="Second"))
    with pytest.raises(CampaignOverlaps, match=rf"{first.campaign_id} \(First\)"):
        await world.do(actions.start_campaign, second.campaign_id, T0)
    await world.do(actions.pause_campaign, first.campaign_id)
    with pytest.raises(CampaignOverlaps):
        await world.do(actions.start_campaign, second.campaign_id, T0)
    assert await world.status(second.campaign_id) is Status.DRAFT
    await world.do(actions.stop_campaign, first.campaign_id)
    await world.do(actions.start_campaign, second.campaign_id, T0)


WINDOW: dict[str, Any] = {"starts_at": T0 + DAY, "ends_at": T0 + 2 * DAY}
NEIGHBOURS: dict[str, tuple[Campaign, bool]] = {
    "before": (campaign(starts_at=T0, ends_at=T0 + DAY), True),
    "after": (campaign(starts_at=T0 + 2 * DAY), True),
    "inside": (campaign(starts_at=T0 + DAY + HOUR, ends_at=T0 + DAY + 2 * HOUR), False),
    "around": (campaign(starts_at=T0), False),
    "one microsecond": (campaign(starts_at=T0, ends_at=T0 + DAY + timedelta(microseconds=1)), False),
    "another line": (campaign(business_line="toys", **WINDOW), True),
    "another stage": (campaign(replace(SILENT, name="new"), **WINDOW), True),
    "a segment of that name": (campaign(replace(SEGMENT, name="silent"), **WINDOW), True),
}


async def test_windows_are_half_open_and_lines_and_audiences_apart(world: World) -> None:
    """TG11: the same business line, the same segment or stage, the same instant."""
    await world.start(campaign(**WINDOW))
    for case, (other, allowed) in NEIGHBOURS.items():
        try:
            started = await world.start(other)
        except CampaignOverlaps:
            assert not allowed, case
        else:
            assert allowed, case
            await world.do(actions.stop_campaign, started.campaign_id)


async def test_explicit_lists_are_not_compared(world: World) -> None:
    await world.start(campaign(listed(1)), ["anna"])
    await world.start(campaign(listed(1)), ["anna"])


async def test_what_is_past_does_not_overlap(world: World) -> None:
    """At any instant from now on: a campaign may begin on paper before another one ended."""
    await world.start(campaign(starts_at=T0, ends_at=T0 + DAY))
    await world.start(campaign(starts_at=T0), now=T0 + DAY)


async def test_a_longer_campaign_may_not_reach_into_the_next(world: World) -> None:
    """TG11 again when the end of an active or paused campaign is moved."""
    first = await world.start(campaign(ends_at=T0 + DAY))
    await world.start(campaign(starts_at=T0 + 2 * DAY))
    await world.do(actions.change_campaign, first.campaign_id, {"ends_at": T0 + 2 * DAY}, [], T0)
    for ends_at in (T0 + 3 * DAY, None):
        with pytest.raises(CampaignOverlaps):
            await world.do(actions.change_campaign, first.campaign_id, {"ends_at": ends_at}, [], T0)


async def test_of_campaigns_that_start_at_once_exactly_one_wins(world: World) -> None:
    """TG11 under concurrency: the others wait for the first one and then see it."""
    drafts = [await world.create(campaign()) for _ in range(5)]
    starts = [world.do(actions.start_campaign, draft.campaign_id, T0) for draft in drafts]
    answers = await asyncio.gather(*starts, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Campaign", *["CampaignOverlaps"] * 4]
    found = await world.rows("SELECT count(*) FROM campaigns WHERE status = 'active'")
    assert found == [{"count": 1}]


async def test_a_refused_start_leaves_nothing_behind(world: World) -> None:
    await world.start(campaign())
    second = await world.create(campaign())
    await world.told()
    with pytest.raises(Refusal):
        await world.do(actions.start_campaign, second.campaign_id, T0)
    assert await world.told() == []
    assert await world.rows("SELECT version FROM campaigns WHERE campaign_id = $1", second.campaign_id) == [
        {"version": second.version}
    ]
