"""What targeting decides at a tick: every (campaign, customer, cause) once, as of the tick."""

from collections.abc import Sequence
from datetime import datetime

from services.targeting import domain, repository
from services.targeting.actions.campaigning import tell
from services.targeting.domain import (
    NOBODY,
    Campaign,
    Case,
    Cause,
    Decision,
    Kind,
    Known,
    Reason,
    triggers,
    written,
)
from services.targeting.repository.audiences import PIECE
from shared import outbox
from shared.clock import wall_micros
from shared.database import Session
from shared.events import targeting as events
from shared.ids import Ids
from shared.timekeeper import Now

# Customers, each with the version of the segment's rule that made them a member.
Members = list[tuple[str, int | None]]


async def decide(session: Session, now: Now) -> bool:
    """Decides a piece of what is due at the tick, in order of the causes' instants; False when more may be left.

    Campaigns whose time is over have ended first. Each new decision is told once, as `decision.made`; one that was
    made before stays as it is.
    """
    await tell(session, await repository.end_campaigns(session, now.at, wall_micros()))
    firing = await repository.lock_firing(session, now.at)
    causes = await repository.take_causes(session, firing.fires_at if firing else None, PIECE)
    if causes:
        await _decide_causes(session, causes, now)
        return firing is None and len(causes) < PIECE
    if firing is not None:
        await _fire(session, firing, now)
        return False
    return True


async def _decide_causes(session: Session, causes: Sequence[Cause], now: Now) -> None:
    names = sorted({(cause.kind, cause.name) for cause in causes})
    campaigns = await repository.lock_triggered(
        session, [kind for kind, _ in names], [name for _, name in names], now.at
    )
    found = [
        (cause, campaign)
        for cause in causes
        for campaign in campaigns
        if (campaign.audience.kind, campaign.audience.name) == (cause.kind, cause.name)
        and triggers(campaign, cause, now.at, now.previous)
    ]
    if not found:
        return
    found.sort(key=lambda pair: (pair[0].caused_at, -pair[1].priority, pair[1].campaign_id, pair[0].customer_id))
    known = await repository.get_known(session, sorted({cause.customer_id for cause, _ in found}))
    entered = sorted({(cause.name, cause.customer_id) for cause, _ in found if cause.kind is Kind.SEGMENT})
    since = await repository.get_memberships(session, entered) if entered else {}
    await _record(session, now, [(campaign, _case(cause, known, since)) for cause, campaign in found])


def _case(cause: Cause, known: dict[str, Known], since: dict[tuple[str, str], datetime]) -> Case:
    customer = known.get(cause.customer_id, NOBODY)
    if cause.kind is Kind.SEGMENT:
        holds = since.get((cause.name, cause.customer_id)) == cause.caused_at
    else:
        holds = (customer.stage, customer.stage_since) == (cause.name, cause.caused_at)
    return Case(
        customer_id=cause.customer_id,
        cause=str(cause),
        caused_at=cause.caused_at,
        known=customer,
        # Who left and came back holds for the new entry, which is a cause of its own.
        suppressed=None if holds else Reason.CAUSE_GONE,
        segment_version=cause.rule_version if cause.kind is Kind.SEGMENT else None,
    )


async def _fire(session: Session, campaign: Campaign, now: Now) -> None:
    """Decides the next piece of a scheduled campaign's audience and marks it; the last piece makes it fired."""
    fires_at = campaign.fires_at
    assert fires_at is not None, "only scheduled campaigns fire"
    listed = campaign.audience.kind is Kind.LIST
    members, through = await (_next_of_list if listed else _next_members)(session, campaign)
    known = await repository.get_known(session, [customer_id for customer_id, _ in members])
    cause = f"scheduled:{written(fires_at)}"
    cases = [
        Case(
            customer_id=customer_id,
            cause=cause,
            caused_at=fires_at,
            known=known.get(customer_id, NOBODY),
            suppressed=Reason.CUSTOMER_UNKNOWN if listed and customer_id not in known else None,
            segment_version=segment_version,
        )
        for customer_id, segment_version in members
    ]
    await _record(session, now, [(campaign, case) for case in cases])
    await repository.update_firing(session, campaign.campaign_id, through, now.at if len(members) < PIECE else None)


async def _next_of_list(session: Session, campaign: Campaign) -> tuple[Members, str | None]:
    piece = 0 if campaign.fired_through is None else int(campaign.fired_through) + 1
    source_ids = await repository.get_piece(session, campaign.campaign_id, piece)
    # The same derivation as profile's: no lookup is needed to find a customer by the shop's own id.
    ids: Ids = session.info["ids"]
    platform = campaign.audience.platform or ""
    return [(ids.derive("cus", platform, "source_id", source_id), None) for source_id in source_ids], str(piece)


async def _next_members(session: Session, campaign: Campaign) -> tuple[Members, str | None]:
    rows = await repository.list_members(session, campaign.audience, campaign.fired_through or "", PIECE)
    return [(row["customer_id"], row["segment_version"]) for row in rows], rows[-1]["customer_id"] if rows else None


async def _record(session: Session, now: Now, cases: Sequence[tuple[Campaign, Case]]) -> None:
    """The cases are decided; the decisions that are new are kept and told, each with all that issuing needs to know."""
    if not cases:
        return
    ids: Ids = session.info["ids"]
    decisions = [
        domain.decide(
            ids.derive("dec", campaign.campaign_id, case.customer_id, case.cause),
            campaign,
            case,
            ids.share("holdout", campaign.campaign_id, case.customer_id),
            now.at,
        )
        for campaign, case in cases
    ]
    offers = {campaign.campaign_id: offer_of(campaign) for campaign, _ in cases}
    added = await repository.add_decisions(session, decisions)
    outbox.emit(session, [(each.customer_id, decision_made(each, offers[each.campaign_id])) for each in added])


def offer_of(campaign: Campaign) -> events.Offer:
    """What a decision carries of its campaign."""
    return events.Offer(
        template_id=campaign.template_id,
        channel=campaign.channel,
        goal=campaign.goal,
        priority=campaign.priority,
        attribution_days=campaign.attribution_days,
        anti_harassment=campaign.anti_harassment,
        limit_per_customer=campaign.limit_per_customer,
    )


def decision_made(decision: Decision, offer: events.Offer) -> events.DecisionMade:
    return events.DecisionMade(
        id=decision.decision_id,
        source="targeting",
        subject=decision.customer_id,
        time=decision.decided_at,
        data=events.Decision(
            decision_id=decision.decision_id,
            campaign_id=decision.campaign_id,
            campaign_version=decision.campaign_version,
            customer_id=decision.customer_id,
            arm=decision.arm.value,
            reasons=[reason.value for reason in decision.reasons],
            cause=decision.cause,
            caused_at=decision.caused_at,
            decided_at=decision.decided_at,
            offer=offer,
            stage=decision.stage,
            stage_since=decision.stage_since,
            rule_versions=decision.rule_versions,
        ),
    )
