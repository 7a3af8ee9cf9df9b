"""Campaigns: what operators plan, start, pause and stop."""

from typing import Annotated

from fastapi import Query, Response

from services.targeting import actions, repository
from services.targeting.domain import Status
from services.targeting.errors import (
    PLAN_REFUSALS,
    CampaignNotActive,
    CampaignNotDraft,
    CampaignNotFound,
    CampaignNotRunning,
    CampaignNotStartable,
    CampaignOver,
    CampaignOverlaps,
)
from services.targeting.schemas import CampaignAnswer, CampaignBody, CampaignChange, list_of
from shared.http.door import Now, SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor
from shared.ids import new_id

# A list of a million ids.
BODY_LIMITS = {"/v1/campaigns": 64_000_000}

router = make_router("campaigns")


@router.post("/campaigns", status_code=201, **access("campaigns:write", *PLAN_REFUSALS))
async def create_campaign(session: SessionOf, now: Now, body: CampaignBody) -> CampaignAnswer:
    """Makes a draft; it decides nothing before it is started."""
    campaign = body.campaign(new_id(session.info, "cmp"), now)
    return CampaignAnswer.of(await actions.create_campaign(session, campaign, list_of(body)))


@router.get("/campaigns", **access("campaigns:read"))
async def list_campaigns(
    session: SessionOf,
    status: Annotated[Status | None, Query(description="only those in this state")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CampaignAnswer]:
    """All campaigns, the newest first."""
    after = decode_cursor(cursor, int)
    rows = await repository.list_campaigns(session, status, after[0] if after else None, limit + 1)
    return Page[CampaignAnswer].of(rows, limit, key=lambda row: [row[0]], item=lambda row: CampaignAnswer.of(row[1]))


@router.get("/campaigns/{campaign_id}", **access("campaigns:read", CampaignNotFound))
async def get_campaign(session: SessionOf, campaign_id: str) -> CampaignAnswer:
    return CampaignAnswer.of(await repository.get_campaign(session, campaign_id))


@router.get("/campaigns/{campaign_id}/versions", **access("campaigns:read", CampaignNotFound))
async def list_campaign_versions(
    session: SessionOf, campaign_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[CampaignAnswer]:
    """What the campaign was as of each version that decisions may name, the newest first."""
    await repository.get_campaign(session, campaign_id)
    after = decode_cursor(cursor, int)
    found = await repository.list_versions(session, campaign_id, after[0] if after else None, limit + 1)
    return Page[CampaignAnswer].of(found, limit, key=lambda campaign: [campaign.version], item=CampaignAnswer.of)


@router.patch(
    "/campaigns/{campaign_id}",
    **access("campaigns:write", CampaignNotFound, CampaignNotDraft, CampaignOver, CampaignOverlaps, *PLAN_REFUSALS),
)
async def change_campaign(session: SessionOf, now: Now, campaign_id: str, body: CampaignChange) -> CampaignAnswer:
    """Changes what is named. Once started, only what leaves its arms and its audience as they are."""
    changed = await actions.change_campaign(session, campaign_id, body.changes(), list_of(body), now)
    return CampaignAnswer.of(changed)


@router.delete(
    "/campaigns/{campaign_id}", status_code=204, **access("campaigns:write", CampaignNotFound, CampaignNotDraft)
)
async def delete_campaign(session: SessionOf, campaign_id: str) -> Response:
    """Removes a draft."""
    await actions.delete_campaign(session, campaign_id)
    return Response(status_code=204)


@router.post(
    "/campaigns/{campaign_id}/start",
    **access("campaigns:write", CampaignNotFound, CampaignNotStartable, CampaignOver, CampaignOverlaps),
)
async def start_campaign(session: SessionOf, now: Now, campaign_id: str) -> CampaignAnswer:
    """Makes a draft or a paused campaign active, unless another one addresses the same at the same time (TG11)."""
    return CampaignAnswer.of(await actions.start_campaign(session, campaign_id, now))


@router.post("/campaigns/{campaign_id}/pause", **access("campaigns:write", CampaignNotFound, CampaignNotActive))
async def pause_campaign(session: SessionOf, campaign_id: str) -> CampaignAnswer:
    """Makes an active campaign decide nothing until it is started again."""
    return CampaignAnswer.of(await actions.pause_campaign(session, campaign_id))


@router.post("/campaigns/{campaign_id}/stop", **access("campaigns:write", CampaignNotFound, CampaignNotRunning))
async def stop_campaign(session: SessionOf, campaign_id: str) -> CampaignAnswer:
    """Ends an active or paused campaign for good."""
    return CampaignAnswer.of(await actions.stop_campaign(session, campaign_id))
