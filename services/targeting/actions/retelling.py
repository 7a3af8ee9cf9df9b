"""What targeting knows, told anew: `comeback retell targeting`. Each action takes the next few."""

from services.targeting import repository
from services.targeting.actions.campaigning import tell
from services.targeting.actions.deciding import decision_made, offer_of
from shared import outbox
from shared.clock import wall_micros
from shared.database import Session


async def retell_campaigns(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next campaigns have new versions, which differ in nothing; each is told as `campaign.updated`."""
    campaigns = await repository.renew_campaigns(session, after, limit, wall_micros())
    await tell(session, campaigns)
    return len(campaigns), campaigns[-1].campaign_id if campaigns else None


async def retell_decisions(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next decisions are told once more, each the same `decision.made` as the first time.

    What was offered is what the campaign said in the version that the decision was made by.
    """
    decisions = await repository.list_decisions(session, after, limit)
    versions = await repository.get_versions(session, {(each.campaign_id, each.campaign_version) for each in decisions})
    for decision in decisions:
        offer = offer_of(versions[decision.campaign_id, decision.campaign_version])
        outbox.emit(session, [(decision.customer_id, decision_made(decision, offer))])
    return len(decisions), decisions[-1].decision_id if decisions else None
