"""Campaigns and decisions in the order of their ids, to be told anew."""

from collections.abc import Iterable
from typing import Any

from services.targeting.domain import Arm, Campaign, Decision, Reason
from services.targeting.repository.campaigns import campaign_of
from shared.database import ReadSession, Session, fetch


async def renew_campaigns(session: Session, after: str, limit: int, version: int) -> list[Campaign]:
    """The campaigns after this one, each under a new version."""
    rows = await fetch(
        session,
        """WITH locked AS MATERIALIZED (
               SELECT campaign_id FROM campaigns WHERE campaign_id > $1 ORDER BY campaign_id LIMIT $2 FOR UPDATE)
           UPDATE campaigns AS c SET version = greatest(c.version + 1, $3)
           FROM locked WHERE c.campaign_id = locked.campaign_id RETURNING c.*""",
        after,
        limit,
        version,
    )
    return sorted(map(campaign_of, rows), key=lambda campaign: campaign.campaign_id)


async def list_decisions(session: ReadSession, after: str, limit: int) -> list[Decision]:
    """Decisions after this one."""
    rows = await fetch(
        session,
        """SELECT decision_id, campaign_id, campaign_version, customer_id, arm, reasons, cause, caused_at, decided_at,
                  stage, stage_since, rule_versions
           FROM decisions WHERE decision_id > $1 ORDER BY decision_id LIMIT $2""",
        after,
        limit,
    )
    return [_decision(dict(row)) for row in rows]


def _decision(fields: dict[str, Any]) -> Decision:
    arm, reasons = Arm(fields.pop("arm")), [Reason(reason) for reason in fields.pop("reasons")]
    return Decision(arm=arm, reasons=reasons, **fields)


async def get_versions(session: ReadSession, versions: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Campaign]:
    """What campaigns were as of these versions, by (campaign, version)."""
    wanted = sorted(set(versions))
    rows = await fetch(
        session,
        """SELECT was.* FROM unnest($1::text[], $2::bigint[]) AS w(campaign_id, version)
           JOIN campaign_versions AS v USING (campaign_id, version),
                jsonb_populate_record(NULL::campaigns, v.definition) AS was""",
        [campaign_id for campaign_id, _ in wanted],
        [version for _, version in wanted],
    )
    return {(row["campaign_id"], row["version"]): campaign_of(row) for row in rows}
