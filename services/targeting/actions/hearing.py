"""What targeting notes of others' events. Events change facts and mark; nothing is decided here."""

from collections.abc import Iterable

from services.targeting import repository
from services.targeting.domain import Cause, Kind
from services.targeting.repository import Membership, Stage
from services.targeting.repository.decisions import Outcome
from shared.database import Session
from shared.events.coupons import CouponIssued, CouponRefused, CouponWithheld
from shared.events.profile import ProfileUpdated
from shared.events.segmentation import LifecycleStageChanged, SegmentEntered, SegmentLeft


async def note_customers(session: Session, events: Iterable[ProfileUpdated]) -> None:
    """Customers of whom nothing but their name is known are known. Nothing else of a profile enters a decision.

    Whoever came or bought has a stage as of that instant, and is known by that.
    """
    profiles = [event.data for event in events]
    bare = {each.customer_id for each in profiles if each.first_visit_at is None and each.first_order_at is None}
    if bare:
        await repository.add_customers(session, bare)


async def note_stages(session: Session, events: Iterable[LifecycleStageChanged]) -> None:
    """The customers' current stages are known; a step that does not correct the past is a cause for the next tick,
    if there is a campaign that it can be one for.
    """
    changes = [event.data for event in events]
    current = [
        Stage(
            change.customer_id,
            change.to_stage,
            change.caused_at,
            change.model_version,
            change.decided_at,
            change.change_id,
        )
        for change in changes
        if change.current
    ]
    await repository.upsert_stages(session, current)
    awaited = await _awaited(session)
    causes = [
        Cause(
            kind=Kind.STAGE,
            name=change.to_stage,
            customer_id=change.customer_id,
            caused_at=change.caused_at,
            decided_at=change.decided_at,
            rule_version=change.model_version,
        )
        for change in changes
        if change.to_stage is not None and not change.corrects_past and (Kind.STAGE, change.to_stage) in awaited
    ]
    await repository.add_causes(session, causes)


async def note_entries(session: Session, events: Iterable[SegmentEntered]) -> None:
    """The customers are members; whoever was not merely found by a new rule is a cause for the next tick, if there is
    a campaign that it can be one for.
    """
    await repository.upsert_memberships(session, list(_memberships(events, member=True)))
    awaited = await _awaited(session)
    causes = [
        Cause(
            kind=Kind.SEGMENT,
            name=event.data.segment_id,
            customer_id=event.data.customer_id,
            caused_at=event.data.caused_at,
            decided_at=event.data.decided_at,
            rule_version=event.data.segment_version,
        )
        for event in events
        if not event.data.backfilled and (Kind.SEGMENT, event.data.segment_id) in awaited
    ]
    await repository.add_causes(session, causes)


async def _awaited(session: Session) -> set[tuple[Kind, str]]:
    """What some campaign waits for, asked once for a batch."""
    batch: dict[str, set[tuple[Kind, str]]] = session.info["batch"]
    if "awaited" not in batch:
        batch["awaited"] = await repository.list_awaited(session)
    return batch["awaited"]


async def note_leavings(session: Session, events: Iterable[SegmentLeft]) -> None:
    """The customers are members no more."""
    await repository.upsert_memberships(session, list(_memberships(events, member=False)))


def _memberships(events: Iterable[SegmentEntered | SegmentLeft], *, member: bool) -> Iterable[Membership]:
    for event in events:
        yield Membership(
            segment_id=event.data.segment_id,
            customer_id=event.data.customer_id,
            member=member,
            since=event.data.caused_at,
            decided_at=event.data.decided_at,
            version=event.data.segment_version,
        )


async def note_issued(session: Session, events: Iterable[CouponIssued]) -> None:
    """The decisions show the coupons that were issued for them."""
    outcomes = [
        Outcome(
            decision_id=event.data.decision_id,
            outcome="issued",
            at=event.data.issued_at,
            coupon_id=event.data.coupon_id,
            coupon_code=event.data.code,
        )
        for event in events
    ]
    await repository.add_outcomes(session, outcomes)


async def note_withheld(session: Session, events: Iterable[CouponWithheld]) -> None:
    """The held-out decisions show that a coupon would have been issued."""
    await repository.add_outcomes(session, [_answer("withheld", event) for event in events])


async def note_refused(session: Session, events: Iterable[CouponRefused]) -> None:
    """The decisions show why the last check forbade a coupon."""
    await repository.add_outcomes(session, [_answer("refused", event) for event in events])


def _answer(outcome: str, event: CouponWithheld | CouponRefused) -> Outcome:
    return Outcome(event.data.decision_id, outcome, event.data.decided_at, code=event.data.code)
