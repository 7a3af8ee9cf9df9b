"""What targeting decides at a tick: every (campaign, customer, cause) once, as of the tick."""

from collections.abc import Sequence
from datetime import datetime

from services.targeting import repository
from services.targeting.actions.campaigning import tell
from services.targeting.domain import (
    Campaign,
    Cause,
    Decision,
    Kind,
    Known,
    Reason,
    arm_of,
    rule_versions,
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
    ids: Ids = session.info["ids"]
    decisions = [
        _decision(
            ids,
            campaign,
            now,
            customer_id=cause.customer_id,
            cause=str(cause),
            caused_at=cause.caused_at,
            known=known.get(cause.customer_id),
            suppressed=None if _holds(cause, known, since) else Reason.CAUSE_GONE,
            segment_version=cause.rule_version if cause.kind is Kind.SEGMENT else None,
        )
        for cause, campaign in found
    ]
    await _record(session, decisions, campaigns)


def _holds(cause: Cause, known: dict[str, Known], since: dict[tuple[str, str], datetime]) -> bool:
    """Whether the customer is still where the cause brought them, and has not left and come back since."""
    if cause.kind is Kind.SEGMENT:
        return since.get((cause.name, cause.customer_id)) == cause.caused_at
    customer = known.get(cause.customer_id)
    return customer is not None and (customer.stage, customer.stage_since) == (cause.name, cause.caused_at)


async def _fire(session: Session, campaign: Campaign, now: Now) -> None:
    """Decides the next piece of a scheduled campaign's audience and marks it; the last piece makes it fired."""
    fires_at = campaign.fires_at
    assert fires_at is not None, "only scheduled campaigns fire"
    ids: Ids = session.info["ids"]
    if campaign.audience.kind is Kind.LIST:
        members, through = await _next_of_list(session, campaign, ids)
    else:
        members, through = await _next_members(session, campaign)
    known = await repository.get_known(session, [customer_id for customer_id, _ in members])
    decisions = [
        _decision(
            ids,
            campaign,
            now,
            customer_id=customer_id,
            cause=f"scheduled:{written(fires_at)}",
            caused_at=fires_at,
            known=known.get(customer_id),
            suppressed=None if customer_id in known else Reason.CUSTOMER_UNKNOWN,
            segment_version=segment_version,
        )
        for customer_id, segment_version in members
    ]
    await _record(session, decisions, [campaign])
    await repository.update_firing(session, campaign.campaign_id, through, now.at if len(members) < PIECE else None)


Members = list[tuple[str, int | None]]


async def _next_of_list(session: Session, campaign: Campaign, ids: Ids) -> tuple[Members, str]:
    piece = 0 if campaign.fired_through is None else int(campaign.fired_through) + 1
    source_ids = await repository.get_piece(session, campaign.campaign_id, piece)
    # The same derivation as profile's: no lookup is needed to find a customer by the shop's own id.
    platform = campaign.audience.platform or ""
    return [(ids.derive("cus", platform, "source_id", source_id), None) for source_id in source_ids], str(piece)


async def _next_members(session: Session, campaign: Campaign) -> tuple[Members, str | None]:
    rows = await repository.list_members(session, campaign.audience, campaign.fired_through or "", PIECE)
    return [(row["customer_id"], row["segment_version"]) for row in rows], rows[-1]["customer_id"] if rows else None


def _decision(
    ids: Ids,
    campaign: Campaign,
    now: Now,
    *,
    customer_id: str,
    cause: str,
    caused_at: datetime,
    known: Known | None,
    suppressed: Reason | None,
    segment_version: int | None,
) -> Decision:
    share = ids.share("holdout", campaign.campaign_id, customer_id) if campaign.holdout else 1.0
    arm, reasons = arm_of(share, campaign.holdout, suppressed)
    return Decision(
        decision_id=ids.derive("dec", campaign.campaign_id, customer_id, cause),
        campaign_id=campaign.campaign_id,
        campaign_version=campaign.version,
        customer_id=customer_id,
        arm=arm,
        reasons=reasons,
        cause=cause,
        caused_at=caused_at,
        decided_at=now.at,
        stage=known.stage if known else None,
        stage_since=known.stage_since if known else None,
        rule_versions=rule_versions(campaign, known, segment_version),
    )


async def _record(session: Session, decisions: list[Decision], campaigns: Sequence[Campaign]) -> None:
    """The decisions that are new are kept and told, each with all that issuing needs to know."""
    if not decisions:
        return
    offers = {campaign.campaign_id: _offer(campaign) for campaign in campaigns}
    added = await repository.add_decisions(session, decisions)
    outbox.emit(session, [(each.customer_id, _made(each, offers[each.campaign_id])) for each in added])


def _offer(campaign: Campaign) -> events.Offer:
    return events.Offer(
        template_id=campaign.template_id,
        channel=campaign.channel,
        goal=campaign.goal,
        priority=campaign.priority,
        attribution_days=campaign.attribution_days,
        anti_harassment=campaign.anti_harassment,
        limit_per_customer=campaign.limit_per_customer,
    )


def _made(decision: Decision, offer: events.Offer) -> events.DecisionMade:
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
