"""Figures of the whole business: sales by period, stages, totals, the list of campaigns."""

from datetime import datetime
from typing import Any

from services.metrics.domain.figures import RECALLABLE, Forms
from services.metrics.domain.statistics import Rate
from services.metrics.errors import CampaignNotFound
from services.metrics.repository.planning import plan_for_many
from shared.database import ReadSession, fetch, fetch_one, fetch_value


async def get_clock(session: ReadSession) -> datetime:
    """The service's clock: figures are as of this instant, also where requests live by the wall's."""
    return await fetch_value(session, "SELECT at FROM clock WHERE one = 1")


async def get_campaign(session: ReadSession, campaign_id: str) -> Any:
    """A campaign's row; raises CampaignNotFound."""
    row = await fetch_one(
        session, "SELECT * FROM campaigns WHERE campaign_id = $1 AND status IS DISTINCT FROM 'deleted'", campaign_id
    )
    if row is None:
        raise CampaignNotFound(f"there is no campaign {campaign_id}")
    return row


async def list_campaigns(session: ReadSession, clock: datetime, after: str | None, limit: int) -> list[Any]:
    """Campaigns by id, with how many coupons were issued and used."""
    await plan_for_many(session)
    return await fetch(
        session,
        """WITH page AS (SELECT campaign_id, name, status, goal, channel FROM campaigns
                         WHERE status IS DISTINCT FROM 'deleted' AND ($2::text IS NULL OR campaign_id > $2)
                         ORDER BY campaign_id LIMIT $3)
           SELECT page.*, i.issued, i.redeemed, i.expired, r.redeemers, r.redemptions
           FROM page, LATERAL (
               SELECT count(*) AS issued, count(u.coupon_id) AS redeemed,
                      count(*) FILTER (WHERE u.coupon_id IS NULL AND valid_until <= $1) AS expired
               FROM coupons AS c LEFT JOIN (
                   SELECT DISTINCT coupon_id FROM redemptions
                   WHERE campaign_id = page.campaign_id AND NOT rolled_back) AS u USING (coupon_id)
               WHERE c.campaign_id = page.campaign_id) AS i,
           LATERAL (
               SELECT count(*) AS redemptions, count(DISTINCT customer_id) AS redeemers
               FROM redemptions WHERE campaign_id = page.campaign_id AND NOT rolled_back) AS r
           ORDER BY campaign_id""",
        clock,
        after,
        limit,
    )


async def list_sales(
    session: ReadSession, by: str, zone: str, shop_id: str | None, since: datetime | None, until: datetime | None
) -> list[Any]:
    """Counted orders by the local period they were paid in, and by currency."""
    await plan_for_many(session)
    # A date leaves as text: the edges of the calendar lie, in some zone, in years that Python does not have.
    return await fetch(
        session,
        """SELECT coalesce(to_char(period, 'YYYY-MM-DD'), period::text) AS starts_on, currency, count(*) AS orders,
                  count(DISTINCT customer_id) AS active_customers, sum(net) AS sales
           FROM (SELECT date_trunc($1, paid_at AT TIME ZONE $2) AS period, currency, customer_id,
                        amount - refunded_amount AS net
                 FROM orders
                 WHERE counted AND paid_at IS NOT NULL AND ($3::text IS NULL OR shop_id = $3)
                   AND ($4::timestamptz IS NULL OR paid_at >= $4)
                   AND ($5::timestamptz IS NULL OR paid_at < $5)) AS o
           GROUP BY period, currency ORDER BY period, currency""",
        by,
        zone,
        shop_id,
        since,
        until,
    )


async def get_stage_counts(session: ReadSession, model: str) -> dict[str, int]:
    rows = await fetch(
        session,
        "SELECT stage, count(*) AS n FROM stages WHERE model = $1 AND stage IS NOT NULL GROUP BY stage",
        model,
    )
    return {row["stage"]: row["n"] for row in rows}


async def get_totals(session: ReadSession) -> Any:
    """Customers, buyers, counted orders and shops."""
    await plan_for_many(session)
    return await fetch_one(
        session,
        """SELECT (SELECT count(DISTINCT customer_id) FROM stages WHERE stage IS NOT NULL) AS known,
                  (SELECT count(*) FROM (SELECT DISTINCT customer_id FROM orders WHERE counted) AS b) AS buyers,
                  (SELECT count(*) FROM (SELECT DISTINCT shop_id FROM orders WHERE counted) AS s) AS shops,
                  (SELECT count(*) FROM orders WHERE counted) AS orders""",
    )


async def get_sales(session: ReadSession) -> dict[str, int]:
    """What counted orders brought, by currency."""
    rows = await fetch(
        session,
        """SELECT currency, sum(amount - refunded_amount) AS sales FROM orders WHERE counted
           GROUP BY currency ORDER BY currency""",
    )
    return {row["currency"]: int(row["sales"]) for row in rows}


async def get_statuses(session: ReadSession) -> dict[str, int]:
    """How many campaigns are in which status; those known from decisions alone have none yet."""
    rows = await fetch(
        session,
        """SELECT coalesce(status, 'unknown') AS status, count(*) AS n FROM campaigns
           WHERE status IS DISTINCT FROM 'deleted' GROUP BY 1 ORDER BY 1""",
    )
    return {row["status"]: row["n"] for row in rows}


async def get_recalls(session: ReadSession, clock: datetime) -> Forms:
    """MT13: treated deliveries to silent and churned customers, over all campaigns, and those that saw an order."""
    await plan_for_many(session)
    recalls = "FROM decisions AS d WHERE arm = 'treated' AND stage = ANY($2::text[])"
    counts = "SELECT count(*) AS n, count(*) FILTER (WHERE window_ends_at <= $1) AS closed"
    scope = (clock, list(RECALLABLE))
    delivered = await fetch_one(session, f"{counts} {recalls}", *scope)
    ordered = await fetch_one(
        session,
        f"""{counts} {recalls} AND EXISTS (
                SELECT FROM orders AS o WHERE o.customer_id = d.customer_id AND o.counted
                AND o.paid_at >= d.decided_at AND o.paid_at < d.window_ends_at)""",
        *scope,
    )
    return Forms(Rate(ordered["n"], delivered["n"]), Rate(ordered["closed"], delivered["closed"]))
