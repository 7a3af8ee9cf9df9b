"""Campaigns and their versions."""

from datetime import datetime
from typing import Any

from services.targeting.domain import Audience, Campaign, Kind, Status, Trigger
from services.targeting.errors import CampaignNotFound
from shared.database import ReadSession, Session, execute, fetch, fetch_one

_COLUMNS = (
    "campaign_id",
    "version",
    "status",
    "name",
    "template_id",
    "goal",
    "audience_kind",
    "audience_name",
    "audience_platform",
    "audience_size",
    "starts_at",
    "ends_at",
    "trigger",
    "trigger_at",
    "channel",
    "business_line",
    "holdout",
    "priority",
    "attribution_days",
    "max_cause_age_hours",
    "anti_harassment",
    "limit_per_customer",
    "expected_roi",
    "fired_through",
    "fired_at",
    "created_at",
)
_PLACES = ", ".join(f"${place}" for place in range(1, len(_COLUMNS) + 1))
_INSERT = f"INSERT INTO campaigns ({', '.join(_COLUMNS)}) VALUES ({_PLACES})"
_UPDATE = f"UPDATE campaigns SET ({', '.join(_COLUMNS)}) = ({_PLACES}) WHERE campaign_id = $1"
_FIRES_AT = "coalesce(trigger_at, starts_at)"


def campaign_of(row: Any) -> Campaign:
    fields = dict(row)
    fields.pop("number")
    audience = Audience(
        kind=Kind(fields.pop("audience_kind")),
        name=fields.pop("audience_name"),
        platform=fields.pop("audience_platform"),
        size=fields.pop("audience_size"),
    )
    status, trigger = Status(fields.pop("status")), Trigger(fields.pop("trigger"))
    return Campaign(audience=audience, status=status, trigger=trigger, **fields)


def _values(campaign: Campaign) -> list[Any]:
    audience = campaign.audience
    parts = {
        "audience_kind": audience.kind,
        "audience_name": audience.name,
        "audience_platform": audience.platform,
        "audience_size": audience.size,
    }
    return [parts[column] if column in parts else getattr(campaign, column) for column in _COLUMNS]


async def add_campaign(session: Session, campaign: Campaign) -> None:
    await execute(session, _INSERT, *_values(campaign))


async def update_campaign(session: Session, campaign: Campaign) -> None:
    await execute(session, _UPDATE, *_values(campaign))


async def add_versions(session: Session, campaign_ids: list[str]) -> None:
    """Keeps what these campaigns are now, as of their versions."""
    await execute(
        session,
        """INSERT INTO campaign_versions (campaign_id, version, definition)
           SELECT campaign_id, version, to_jsonb(c) FROM campaigns AS c WHERE campaign_id = ANY($1)""",
        campaign_ids,
    )


async def delete_campaign(session: Session, campaign_id: str) -> None:
    """Removes a campaign with its list and versions."""
    for table in ("campaign_audience", "campaign_versions", "campaigns"):
        await execute(session, f"DELETE FROM {table} WHERE campaign_id = $1", campaign_id)


async def get_campaign(session: ReadSession, campaign_id: str) -> Campaign:
    """A campaign; raises CampaignNotFound."""
    return _found(await fetch_one(session, "SELECT * FROM campaigns WHERE campaign_id = $1", campaign_id), campaign_id)


async def lock_campaign(session: Session, campaign_id: str) -> Campaign:
    """A campaign that nobody else changes or decides on until the transaction ends; raises CampaignNotFound."""
    row = await fetch_one(session, "SELECT * FROM campaigns WHERE campaign_id = $1 FOR UPDATE", campaign_id)
    return _found(row, campaign_id)


def _found(row: Any, campaign_id: str) -> Campaign:
    if row is None:
        raise CampaignNotFound(f"there is no campaign {campaign_id}")
    return campaign_of(row)


async def list_campaigns(
    session: ReadSession, status: str | None, after: int | None, limit: int
) -> list[tuple[int, Campaign]]:
    """Campaigns with their numbers, the newest first."""
    rows = await fetch(
        session,
        """SELECT * FROM campaigns WHERE ($1::text IS NULL OR status = $1) AND ($2::bigint IS NULL OR number < $2)
           ORDER BY number DESC LIMIT $3""",
        status,
        after,
        limit,
    )
    return [(row["number"], campaign_of(row)) for row in rows]


async def list_versions(session: ReadSession, campaign_id: str, after: int | None, limit: int) -> list[Campaign]:
    """What a campaign was, the newest version first."""
    rows = await fetch(
        session,
        """SELECT was.* FROM campaign_versions AS v, jsonb_populate_record(NULL::campaigns, v.definition) AS was
           WHERE v.campaign_id = $1 AND ($2::bigint IS NULL OR v.version < $2) ORDER BY v.version DESC LIMIT $3""",
        campaign_id,
        after,
        limit,
    )
    return [campaign_of(row) for row in rows]


async def lock_audience(session: Session, campaign: Campaign) -> None:
    """Whoever else starts a campaign for this business line and this segment or stage waits (TG11)."""
    audience = campaign.audience
    await execute(
        session,
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 11))",
        "\x1f".join((campaign.business_line, audience.kind, audience.name or "")),
    )


async def find_overlapping(session: ReadSession, campaign: Campaign, now: datetime) -> Campaign | None:
    """The first campaign that from `now` on is active or paused at an instant of this one's window, for the same."""
    row = await fetch_one(
        session,
        """SELECT * FROM campaigns
           WHERE business_line = $1 AND audience_kind = $2 AND audience_name = $3 AND campaign_id <> $4
             AND status IN ('active', 'paused')
             AND (ends_at IS NULL OR ends_at > greatest($5::timestamptz, $7))
             AND ($6::timestamptz IS NULL OR starts_at < $6)
           ORDER BY starts_at, campaign_id LIMIT 1""",
        campaign.business_line,
        campaign.audience.kind,
        campaign.audience.name,
        campaign.campaign_id,
        campaign.starts_at,
        campaign.ends_at,
        now,
    )
    return campaign_of(row) if row else None


async def end_campaigns(session: Session, at: datetime, version: int) -> list[Campaign]:
    """Ends the campaigns whose time is over at `at`; returns those."""
    rows = await fetch(
        session,
        """UPDATE campaigns SET status = 'ended', version = greatest(version + 1, $2)
           WHERE status IN ('active', 'paused') AND ends_at <= $1 RETURNING *""",
        at,
        version,
    )
    return sorted(map(campaign_of, rows), key=lambda campaign: campaign.campaign_id)


async def lock_firing(session: Session, at: datetime) -> Campaign | None:
    """The first scheduled campaign, by instant and priority, that is due at `at` and not through with its audience."""
    row = await fetch_one(
        session,
        f"""SELECT * FROM campaigns
            WHERE status = 'active' AND trigger = 'scheduled' AND fired_at IS NULL AND {_FIRES_AT} <= $1
            ORDER BY {_FIRES_AT}, priority DESC, campaign_id LIMIT 1 FOR UPDATE""",
        at,
    )
    return campaign_of(row) if row else None


async def update_firing(session: Session, campaign_id: str, through: str | None, fired_at: datetime | None) -> None:
    """Marks how far a campaign has come through its audience, or that it is through."""
    await execute(
        session,
        """UPDATE campaigns SET fired_through = coalesce($2, fired_through), fired_at = $3 WHERE campaign_id = $1""",
        campaign_id,
        through,
        fired_at,
    )


async def list_awaited(session: ReadSession) -> set[tuple[Kind, str]]:
    """The segments and stages that some campaign waits for somebody to enter, or may come to: it is not over."""
    rows = await fetch(
        session,
        """SELECT DISTINCT audience_kind, audience_name FROM campaigns
           WHERE status IN ('draft', 'active', 'paused') AND trigger = 'entered'""",
    )
    return {(Kind(row["audience_kind"]), row["audience_name"]) for row in rows}


async def lock_triggered(session: Session, kinds: list[str], names: list[str], at: datetime) -> list[Campaign]:
    """The active campaigns that wait for somebody to enter one of these; they stay so until the transaction ends."""
    rows = await fetch(
        session,
        """SELECT * FROM campaigns
           WHERE status = 'active' AND trigger = 'entered' AND starts_at <= $3
             AND (audience_kind, audience_name) IN (SELECT * FROM unnest($1::text[], $2::text[]))
           ORDER BY campaign_id FOR SHARE""",
        kinds,
        names,
        at,
    )
    return [campaign_of(row) for row in rows]
