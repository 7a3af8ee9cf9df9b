"""Campaigns as operators make, change and run them; each change is a new version, told as `campaign.updated`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.targeting import repository
from services.targeting.domain import (
    Campaign,
    Kind,
    Status,
    check,
    check_change,
    check_delete,
    check_pause,
    check_start,
    check_stop,
)
from services.targeting.errors import CampaignOverlaps
from shared import outbox
from shared.clock import instant_of_micros, wall_micros
from shared.database import Session
from shared.events import targeting as events


async def create_campaign(session: Session, campaign: Campaign, source_ids: list[str]) -> Campaign:
    """The campaign exists as a draft, with its list if it has one. Refuses what does not fit together."""
    check(campaign)
    created = replace(campaign, version=wall_micros())
    await repository.add_campaign(session, created)
    await repository.set_list(session, created.campaign_id, source_ids)
    await tell(session, [created])
    return created


async def change_campaign(
    session: Session, campaign_id: str, changes: dict[str, Any], source_ids: list[str], now: datetime
) -> Campaign:
    """The named fields are as given, all others as they were.

    Refuses what does not fit together, what only a draft may change, any change once it is over, and (TG11) times
    that overlap with another's.
    """
    campaign = await repository.lock_campaign(session, campaign_id)
    check_change(campaign, set(changes))
    changed = replace(campaign, **changes)
    if changed == campaign and "audience" not in changes:
        return campaign
    check(changed)
    if changed.status in (Status.ACTIVE, Status.PAUSED) and changed.ends_at != campaign.ends_at:
        await _refuse_overlap(session, changed, now)
    if "audience" in changes:
        await repository.set_list(session, campaign_id, source_ids)
    return await _save(session, changed)


async def delete_campaign(session: Session, campaign_id: str) -> None:
    """The draft is gone; told with the status `deleted`. Refuses anything that was started."""
    campaign = await repository.lock_campaign(session, campaign_id)
    check_delete(campaign)
    await repository.delete_campaign(session, campaign_id)
    outbox.emit(session, [_updated(_next(replace(campaign, status=Status.DELETED)))])


async def start_campaign(session: Session, campaign_id: str, now: datetime) -> Campaign:
    """The campaign is active: from the next tick on it decides. TG11: refused while another one overlaps with it."""
    campaign = await repository.lock_campaign(session, campaign_id)
    check_start(campaign, now)
    await _refuse_overlap(session, campaign, now)
    return await _save(session, replace(campaign, status=Status.ACTIVE))


async def pause_campaign(session: Session, campaign_id: str) -> Campaign:
    """The campaign decides nothing until it is started again; what happens meanwhile triggers nothing afterwards."""
    campaign = await repository.lock_campaign(session, campaign_id)
    check_pause(campaign)
    return await _save(session, replace(campaign, status=Status.PAUSED))


async def stop_campaign(session: Session, campaign_id: str) -> Campaign:
    """The campaign is over for good; what was decided stays."""
    campaign = await repository.lock_campaign(session, campaign_id)
    check_stop(campaign)
    return await _save(session, replace(campaign, status=Status.STOPPED))


async def _refuse_overlap(session: Session, campaign: Campaign, now: datetime) -> None:
    if campaign.audience.kind is Kind.LIST:
        return
    # Of two that start at once, the second sees the first: it waits here until that one has committed.
    await repository.lock_audience(session, campaign)
    other = await repository.find_overlapping(session, campaign, now)
    if other is not None:
        raise CampaignOverlaps(
            f"campaign {other.campaign_id} ({other.name}) already addresses the {other.audience.kind} "
            f"{other.audience.name} in {other.business_line} during a part of this time"
        )


async def _save(session: Session, campaign: Campaign) -> Campaign:
    saved = _next(campaign)
    await repository.update_campaign(session, saved)
    await tell(session, [saved])
    return saved


def _next(campaign: Campaign) -> Campaign:
    return replace(campaign, version=max(campaign.version + 1, wall_micros()))


async def tell(session: Session, campaigns: Sequence[Campaign]) -> None:
    """These versions are kept for ever, and `campaign.updated` tells each."""
    if not campaigns:
        return
    await repository.add_versions(session, [campaign.campaign_id for campaign in campaigns])
    outbox.emit(session, [_updated(campaign) for campaign in campaigns])


def _updated(campaign: Campaign) -> tuple[str, events.CampaignUpdated]:
    return campaign.campaign_id, events.CampaignUpdated(
        id=f"{campaign.campaign_id}:{campaign.version}",
        source="targeting",
        subject=campaign.campaign_id,
        time=instant_of_micros(campaign.version),
        data=events.Campaign(
            campaign_id=campaign.campaign_id,
            version=campaign.version,
            name=campaign.name,
            goal=campaign.goal,
            business_line=campaign.business_line,
            status=campaign.status,
            channel=campaign.channel,
            template_id=campaign.template_id,
            attribution_days=campaign.attribution_days,
            starts_at=campaign.starts_at,
            ends_at=campaign.ends_at,
        ),
    )
