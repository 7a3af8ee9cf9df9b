"""What is decided at ticks, on a real database."""

from dataclasses import replace
from datetime import datetime, timedelta

from services.targeting import actions
from services.targeting.domain import Status, Trigger
from services.targeting.timers import on_tick
from shared import outbox
from shared.clock import BEGINNING
from shared.events.targeting import CampaignUpdated
from shared.timekeeper import Now
from tests.support.doing import IDS
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


async def test_whoever_falls_silent_is_decided_once_at_the_tick(world: World) -> None:
    """TG12: the campaign waits for its trigger; the decision says what caused it and what was known."""
    recall = await world.start(campaign())
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY))
    assert await world.decisions() == []
    await world.tick(T0 + DAY)
    (made,) = await world.decided()
    assert (made.campaign_id, made.campaign_version) == (recall.campaign_id, recall.version)
    assert (made.customer_id, made.arm, made.reasons) == ("cus_a", "treated", [])
    assert made.cause == "stage:silent@2026-01-01T01:00:00Z"
    assert (made.caused_at, made.decided_at) == (T0 + HOUR, T0 + DAY)
    assert (made.stage, made.stage_since) == ("silent", T0 + HOUR)
    assert made.rule_versions == {"campaign": recall.version, "lifecycle": 3}
    assert (made.offer.template_id, made.offer.channel, made.offer.goal) == ("tpl_1", "push", "recall")
    assert made.decision_id == IDS.derive("dec", recall.campaign_id, "cus_a", made.cause)


async def test_told_twice_is_decided_once(world: World) -> None:
    """In one batch, in another batch, and again after the tick."""
    await world.start(campaign())
    event = staged("cus_a", "silent", T0 + HOUR, T0 + DAY)
    await world.hear(event, event)
    await world.hear(event)
    await world.tick(T0 + DAY)
    await world.hear(event)
    await world.tick(T0 + DAY + HOUR)
    assert len(await world.decided()) == 1
    assert len(await world.decisions()) == 1


async def test_a_cause_that_is_taken_back_and_told_again_is_decided_once(world: World) -> None:
    """A late order ends a silence that a refund of it brings back: the same cause, at another tick."""
    await world.start(campaign(max_cause_age_hours=100))
    for told_at in (T0 + 2 * HOUR, T0 + 4 * HOUR):
        await world.hear(staged("cus_a", "silent", T0 + HOUR, told_at))
        await world.tick(told_at)
        await world.hear(staged("cus_a", "rising", T0, told_at + HOUR, corrects_past=True))
        await world.tick(told_at + HOUR)
    assert len(await world.decided()) == 1
    assert len(await world.decisions()) == 1


async def test_a_cause_told_anew_after_its_tick_triggers_nothing(world: World) -> None:
    """After a restore, segmentation tells again what no campaign had waited for when it happened."""
    event = staged("cus_a", "silent", T0 + HOUR, T0 + 2 * HOUR)
    await world.hear(event)
    await world.tick(T0 + 2 * HOUR)
    await world.start(campaign())
    await world.hear(event)
    await world.tick(T0 + 3 * HOUR)
    assert await world.decisions() == []


async def test_only_what_a_campaign_may_wait_for_is_kept_until_the_tick(world: World) -> None:
    """A draft may be started before the tick, a paused campaign go on; of all else nothing has to be written."""
    over = await world.start(campaign(business_line="fuel"))
    await world.do(actions.stop_campaign, over.campaign_id)
    await world.create(campaign(SEGMENT, Trigger.SCHEDULED))
    told = [staged("cus_a", "silent", T0 + HOUR, T0 + DAY), entered("cus_a", T0 + HOUR, T0 + DAY)]
    await world.hear(*told)
    assert await world.rows("SELECT 1 FROM pending_causes") == []
    draft, paused = await world.create(campaign()), await world.start(campaign(SEGMENT))
    await world.do(actions.pause_campaign, paused.campaign_id)
    await world.hear(*told, staged("cus_b", "rising", T0 + HOUR, T0 + DAY))
    assert await world.rows("SELECT kind FROM pending_causes ORDER BY 1") == [{"kind": "segment"}, {"kind": "stage"}]
    for each in (draft, paused):
        await world.do(actions.start_campaign, each.campaign_id, T0)
    await world.tick(T0 + DAY)
    assert sorted(made.campaign_id for made in await world.decided()) == sorted([draft.campaign_id, paused.campaign_id])


async def test_a_cause_that_no_longer_holds_is_suppressed(world: World) -> None:
    """Architecture 2, rule 6: fell silent and ordered between two ticks."""
    await world.start(campaign())
    await world.hear(
        staged("cus_a", "silent", T0 + HOUR, T0 + DAY, current=False),
        staged("cus_a", "rising", T0 + 2 * HOUR, T0 + DAY),
    )
    await world.tick(T0 + DAY)
    (made,) = await world.decided()
    assert (made.arm, made.reasons) == ("suppressed", ["cause-gone"])
    assert (made.stage, made.stage_since) == ("rising", T0 + 2 * HOUR)


async def test_who_left_a_segment_and_came_back_is_decided_for_the_new_entry_only(world: World) -> None:
    await world.start(campaign(SEGMENT))
    await world.hear(
        left("cus_a", T0 + 2 * HOUR, T0 + DAY),
        entered("cus_a", T0 + 3 * HOUR, T0 + DAY),
        entered("cus_a", T0 + HOUR, T0 + DAY),
    )
    await world.tick(T0 + DAY)
    first, second = await world.decided()
    assert (first.cause, first.reasons) == ("segment:seg_1@2026-01-01T01:00:00Z", ["cause-gone"])
    assert (second.cause, second.arm) == ("segment:seg_1@2026-01-01T03:00:00Z", "treated")
    assert second.rule_versions["segment"] == 7


async def test_who_has_left_a_segment_by_the_tick_is_suppressed(world: World) -> None:
    await world.start(campaign(SEGMENT))
    await world.hear(entered("cus_a", T0 + HOUR, T0 + DAY), left("cus_a", T0 + 2 * HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    (made,) = await world.decided()
    assert (made.arm, made.reasons) == ("suppressed", ["cause-gone"])


async def test_importing_last_years_orders_recalls_nobody(world: World) -> None:
    """What happened longer ago than max_cause_age triggers nothing, not even a suppressed decision."""
    await world.start(campaign(starts_at=T0 - 400 * DAY, max_cause_age_hours=48))
    at = T0 + DAY
    await world.hear(
        *(staged(f"cus_{n}", "silent", T0 - n * DAY, at) for n in range(2, 300)),
        staged("cus_edge", "silent", at - 48 * HOUR, at),
        staged("cus_young", "silent", at - 48 * HOUR + timedelta(microseconds=1), at),
    )
    await world.tick(at)
    assert [made.customer_id for made in await world.decided()] == ["cus_young"]


async def test_a_correction_of_the_past_triggers_nothing(world: World) -> None:
    """A late event restates the history; the stage is the restated one, and nobody is recalled."""
    await world.start(campaign())
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY, corrects_past=True))
    await world.tick(T0 + DAY)
    assert await world.decisions() == []
    assert await world.rows("SELECT stage FROM known_customers") == [{"stage": "silent"}]


async def test_who_is_found_by_a_new_segment_triggers_nothing(world: World) -> None:
    await world.start(campaign(SEGMENT))
    await world.hear(entered("cus_a", T0 + HOUR, T0 + DAY, backfilled=True))
    await world.tick(T0 + DAY)
    assert await world.decisions() == []


async def test_what_happened_before_the_campaigns_start_triggers_nothing(world: World) -> None:
    await world.start(campaign(starts_at=T0 + 2 * HOUR))
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY), staged("cus_b", "silent", T0 + 2 * HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    assert [made.customer_id for made in await world.decided()] == ["cus_b"]


async def test_a_draft_a_paused_and_a_stopped_campaign_decide_nothing(world: World) -> None:
    """And what happened while it was paused triggers nothing once it is started again."""
    await world.create(campaign(business_line="a"))
    paused = await world.start(campaign(business_line="b"))
    stopped = await world.start(campaign(business_line="c"))
    await world.do(actions.pause_campaign, paused.campaign_id)
    await world.do(actions.stop_campaign, stopped.campaign_id)
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    await world.do(actions.start_campaign, paused.campaign_id, T0 + DAY)
    await world.tick(T0 + DAY + HOUR)
    assert await world.decisions() == []
    assert await world.rows("SELECT * FROM pending_causes") == []


async def test_a_campaign_ends_at_its_end_and_decides_nothing_then(world: World) -> None:
    """`[starts_at, ends_at)`: at the tick that equals the end it is over."""
    ending = await world.start(campaign(ends_at=T0 + DAY))
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY))
    await world.tick(T0 + DAY - timedelta(microseconds=1))
    assert await world.status(ending.campaign_id) is Status.ACTIVE
    await world.told()
    await world.hear(staged("cus_b", "silent", T0 + 2 * HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    assert await world.status(ending.campaign_id) is Status.ENDED
    (event,) = await world.told()
    assert isinstance(event, CampaignUpdated)
    assert event.data.status == "ended"
    assert event.data.version > ending.version


async def test_decisions_come_in_order_of_cause_then_priority_then_campaign(world: World) -> None:
    low = await world.start(campaign(business_line="a", priority=1))
    high = await world.start(campaign(business_line="b", priority=9))
    fixed = await world.start(campaign(listed(1), starts_at=T0 + 2 * HOUR, priority=0, campaign_id="cmp_0"), ["anna"])
    await world.hear(
        known("anna"),
        staged("cus_z", "silent", T0 + 3 * HOUR, T0 + DAY),
        staged("cus_b", "silent", T0 + HOUR, T0 + DAY),
        staged("cus_a", "silent", T0 + HOUR, T0 + DAY),
    )
    await world.tick(T0 + DAY)
    made = [(decision.campaign_id, decision.customer_id) for decision in await world.decided()]
    assert made == [
        (high.campaign_id, "cus_a"),
        (high.campaign_id, "cus_b"),
        (low.campaign_id, "cus_a"),
        (low.campaign_id, "cus_b"),
        (fixed.campaign_id, customer("anna")),
        (high.campaign_id, "cus_z"),
        (low.campaign_id, "cus_z"),
    ]
    assert [(row["campaign_id"], row["customer_id"]) for row in await world.decisions()] == made


async def test_the_frozen_stage_stays_when_history_changes_later(world: World) -> None:
    """MT8: a late fact restates histories and figures, never decisions."""
    await world.start(campaign())
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    before = await world.decisions()
    await world.hear(
        staged("cus_a", "mature", T0, T0 + 2 * DAY, corrects_past=True),
        staged("cus_a", "declining", T0 + 3 * HOUR, T0 + 2 * DAY + HOUR, corrects_past=True),
    )
    await world.tick(T0 + 3 * DAY)
    assert await world.decisions() == before
    assert (before[0]["stage"], before[0]["stage_since"]) == ("silent", T0 + HOUR)


async def test_the_holdout_is_stable_and_its_share_about_right(world: World) -> None:
    """A keyed hash of campaign and customer: the same customer is in the same arm for every cause."""
    recall = await world.start(campaign(holdout=0.1))
    await world.hear(*(staged(f"cus_{n}", "silent", T0 + HOUR, T0 + DAY) for n in range(4000)))
    await world.tick(T0 + DAY)
    first = {made.customer_id: made for made in await world.decided()}
    await world.hear(*(staged(f"cus_{n}", "silent", T0 + 40 * DAY, T0 + 41 * DAY) for n in range(4000)))
    await world.tick(T0 + 41 * DAY)
    second = {made.customer_id: made for made in await world.decided()}
    assert {who: made.arm for who, made in first.items()} == {who: made.arm for who, made in second.items()}
    held = [made for made in first.values() if made.arm == "held_out"]
    assert 330 < len(held) < 470
    assert {tuple(made.reasons) for made in held} == {("holdout",)}
    assert all(IDS.share("holdout", recall.campaign_id, made.customer_id) < 0.1 for made in held)


async def test_a_campaign_without_holdout_treats_everybody(world: World) -> None:
    await world.start(campaign(holdout=0.0))
    await world.hear(*(staged(f"cus_{n}", "silent", T0 + HOUR, T0 + DAY) for n in range(500)))
    await world.tick(T0 + DAY)
    assert {made.arm for made in await world.decided()} == {"treated"}


async def test_a_list_is_decided_at_the_tick_that_equals_its_instant(world: World) -> None:
    fixed = await world.start(campaign(listed(3), starts_at=T0 + DAY), ["anna", "ben", "nobody"])
    await world.hear(known("anna"), known("ben"), staged(customer("ben"), "churned", T0, T0 + HOUR))
    await world.tick(T0 + DAY - timedelta(microseconds=1))
    assert await world.decisions() == []
    await world.tick(T0 + DAY)
    anna, ben, nobody = await world.decided()
    assert (anna.customer_id, anna.arm, anna.stage) == (customer("anna"), "treated", None)
    assert (ben.customer_id, ben.arm, ben.stage) == (customer("ben"), "treated", "churned")
    assert (nobody.customer_id, nobody.arm, nobody.reasons) == (customer("nobody"), "suppressed", ["customer-unknown"])
    assert {made.cause for made in (anna, ben, nobody)} == {"scheduled:2026-01-02T00:00:00Z"}
    assert (anna.caused_at, anna.decided_at) == (T0 + DAY, T0 + DAY)
    await world.tick(T0 + 2 * DAY)
    assert await world.decided() == []
    (row,) = await world.rows("SELECT fired_at FROM campaigns WHERE campaign_id = $1", fixed.campaign_id)
    assert row["fired_at"] == T0 + DAY


async def test_the_same_id_of_another_platform_is_another_customer(world: World) -> None:
    await world.start(campaign(listed(1, platform="app")), ["anna"])
    await world.hear(known("anna"))
    await world.tick(T0 + DAY)
    (made,) = await world.decided()
    assert (made.customer_id, made.reasons) == (customer("anna", "app"), ["customer-unknown"])


async def test_a_campaign_started_late_fires_at_the_next_tick_for_its_own_instant(world: World) -> None:
    await world.hear(known("anna"))
    await world.tick(T0 + 3 * DAY)
    await world.start(campaign(listed(1), trigger_at=T0 + DAY), ["anna"], now=T0 + 3 * DAY)
    await world.tick(T0 + 4 * DAY)
    (made,) = await world.decided()
    assert (made.caused_at, made.decided_at) == (T0 + DAY, T0 + 4 * DAY)


async def test_a_scheduled_campaign_whose_end_is_over_does_not_fire(world: World) -> None:
    fixed = await world.start(campaign(listed(1), ends_at=T0 + DAY), ["anna"])
    await world.hear(known("anna"))
    await world.tick(T0 + DAY)
    assert await world.decisions() == []
    assert await world.status(fixed.campaign_id) is Status.ENDED


async def test_scheduled_stages_and_segments_reach_the_members_as_of_the_tick(world: World) -> None:
    await world.start(campaign(SILENT, Trigger.SCHEDULED, trigger_at=T0 + HOUR))
    await world.start(campaign(SEGMENT, Trigger.SCHEDULED, trigger_at=T0 + 2 * HOUR))
    await world.hear(
        staged("cus_a", "silent", T0 - DAY, T0),
        staged("cus_b", "silent", T0 - DAY, T0),
        staged("cus_b", "new", T0 + HOUR, T0 + 3 * HOUR),
        entered("cus_c", T0 - DAY, T0, backfilled=True),
        entered("cus_d", T0 - DAY, T0),
        left("cus_d", T0 + HOUR, T0 + 3 * HOUR),
    )
    await world.tick(T0 + 3 * HOUR)
    first, second = await world.decided()
    assert (first.customer_id, first.arm, first.cause) == ("cus_a", "treated", "scheduled:2026-01-01T01:00:00Z")
    assert (second.customer_id, second.arm, second.rule_versions["segment"]) == ("cus_c", "treated", 7)
    await world.tick(T0 + DAY)
    assert await world.decided() == []


async def test_a_list_of_12000_is_decided_completely_and_once_though_killed_in_between(world: World) -> None:
    source_ids = [f"c{number}" for number in range(12_000)]
    await world.start(campaign(listed(12_000), starts_at=T0 + DAY), source_ids)
    await world.hear(*(known(source_id) for source_id in source_ids))
    await world.told()
    for _ in range(2):
        assert not await _one_transaction(world, T0 + DAY, killed=False)
        assert not await _one_transaction(world, T0 + DAY, killed=True)
    await world.tick(T0 + DAY)
    decisions = await world.decisions()
    assert [row["customer_id"] for row in decisions] == [customer(source_id) for source_id in source_ids]
    made = await world.decided()
    assert [each.decision_id for each in made] == [row["decision_id"] for row in decisions]


async def _one_transaction(world: World, at: datetime, *, killed: bool) -> bool:
    class Killed(Exception): ...

    finished = False
    try:
        async with world.database.transaction() as session:
            session.info.update({"service": "targeting", "ids": IDS})
            finished = await on_tick(session, Now(at=at, previous=BEGINNING))
            await outbox.flush(session)
            if killed:
                raise Killed
    except Killed:
        pass
    return finished


async def test_many_causes_are_decided_completely_and_once(world: World) -> None:
    """More than one transaction holds, in order of their instants."""
    await world.start(campaign())
    everybody = [f"cus_{number:05}" for number in range(11_000)]
    for first in range(0, 11_000, 2_500):
        some = everybody[first : first + 2_500]
        await world.hear(*(staged(who, "silent", T0 + HOUR, T0 + DAY) for who in some))
    await world.told()
    assert not await _one_transaction(world, T0 + DAY, killed=False)
    assert not await _one_transaction(world, T0 + DAY, killed=True)
    await world.tick(T0 + DAY)
    assert [made.customer_id for made in await world.decided()] == everybody


async def test_a_scheduled_segment_larger_than_a_transaction_is_reached_wholly(world: World) -> None:
    everybody = sorted(f"cus_{number:05}" for number in range(10_000))
    await world.start(campaign(SEGMENT, Trigger.SCHEDULED))
    await world.hear(*(entered(who, T0, T0, backfilled=True) for who in everybody))
    await world.tick(T0 + DAY)
    assert [made.customer_id for made in await world.decided()] == everybody


async def test_a_pause_in_the_middle_stops_the_rest_and_a_start_goes_on(world: World) -> None:
    source_ids = [f"c{number}" for number in range(12_000)]
    fixed = await world.start(campaign(listed(12_000)), source_ids)
    assert not await _one_transaction(world, T0 + HOUR, killed=False)
    await world.do(actions.pause_campaign, fixed.campaign_id)
    await world.tick(T0 + HOUR)
    assert len(await world.decisions()) == 5_000
    await world.do(actions.start_campaign, fixed.campaign_id, T0 + HOUR)
    await world.tick(T0 + 2 * HOUR)
    decided_at = [row["decided_at"] for row in await world.decisions()]
    assert decided_at == [T0 + HOUR] * 5_000 + [T0 + 2 * HOUR] * 7_000


async def test_a_changed_campaign_decides_by_its_new_version(world: World) -> None:
    recall = await world.start(campaign())
    changed = await world.do(actions.change_campaign, recall.campaign_id, {"priority": 5}, [], T0)
    await world.hear(staged("cus_a", "silent", T0 + HOUR, T0 + DAY))
    await world.tick(T0 + DAY)
    (made,) = await world.decided()
    assert (made.campaign_version, made.offer.priority) == (changed.version, 5)
    assert changed == replace(recall, version=changed.version, priority=5)
    kept = await world.rows("SELECT version FROM campaign_versions ORDER BY version")
    assert len(kept) == 3
    assert kept[-1] == {"version": changed.version}
