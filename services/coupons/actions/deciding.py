"""Targeting's decisions, kept until the tick that answers them."""

from collections.abc import Iterable

from services.coupons import repository
from services.coupons.domain import Decision
from shared.database import Session
from shared.events.targeting import DecisionMade


async def note_decisions(session: Session, events: Iterable[DecisionMade]) -> None:
    """Each treated or held-out decision is known once; the suppressed ones ask nothing of us."""
    decisions = {
        event.data.decision_id: _decision(event) for event in events if event.data.arm in ("treated", "held_out")
    }
    if decisions:
        await repository.add_decisions(session, list(decisions.values()))


def _decision(event: DecisionMade) -> Decision:
    data, offer = event.data, event.data.offer
    return Decision(
        decision_id=data.decision_id,
        campaign_id=data.campaign_id,
        customer_id=data.customer_id,
        arm=data.arm,
        caused_at=data.caused_at,
        decided_at=data.decided_at,
        priority=offer.priority,
        template_id=offer.template_id,
        channel=offer.channel,
        anti_harassment=offer.anti_harassment,
        limit_per_customer=offer.limit_per_customer,
    )
