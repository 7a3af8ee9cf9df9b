"""Campaigns in figures."""

from services.metrics import repository
from services.metrics.errors import CampaignNotFound
from services.metrics.schemas import CampaignLineAnswer, CampaignMetricsAnswer, ChannelAnswer
from shared.http.door import SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("campaign metrics")


@router.get("/campaigns/{campaign_id}/metrics", **access("metrics:read", CampaignNotFound))
async def get_campaign_metrics(session: SessionOf, campaign_id: str) -> CampaignMetricsAnswer:
    """What a campaign cost and brought, as of the service's clock."""
    campaign = await repository.get_campaign(session, campaign_id)
    clock = await repository.get_clock(session)
    deliveries = await repository.get_deliveries(session, campaign_id, clock)
    whole, by_channel = await repository.get_brought(session, campaign_id, clock)
    return CampaignMetricsAnswer.of(clock, campaign, deliveries, whole, by_channel)


@router.get("/metrics/campaigns", **access("metrics:read"))
async def list_campaigns(session: SessionOf, limit: Limit = 50, cursor: Cursor = None) -> Page[CampaignLineAnswer]:
    """All campaigns with their headline figures."""
    after = decode_cursor(cursor, str)
    clock = await repository.get_clock(session)
    rows = await repository.list_campaigns(session, clock, after[0] if after else None, limit + 1)
    return Page[CampaignLineAnswer].of(rows, limit, key=lambda row: [row["campaign_id"]], item=CampaignLineAnswer.of)


@router.get("/metrics/channels", **access("metrics:read"))
async def list_channels(session: SessionOf, limit: Limit = 50, cursor: Cursor = None) -> Page[ChannelAnswer]:
    """AN5: what each channel brought, over all campaigns."""
    after = decode_cursor(cursor, str)
    clock = await repository.get_clock(session)
    _, by_channel = await repository.get_brought(session, None, clock)
    rows = [(channel, brought) for channel, brought in by_channel.items() if after is None or channel > after[0]]
    return Page[ChannelAnswer].of(rows, limit, key=lambda row: [row[0]], item=lambda row: ChannelAnswer.of(*row))
