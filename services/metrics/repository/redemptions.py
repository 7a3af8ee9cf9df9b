"""What coupons were issued and used, and what that brought: of one campaign or of all, in one sum or by channel."""

from datetime import datetime

from services.metrics.domain.figures import Brought
from shared.database import ReadSession, fetch

# $1 is a campaign or null for all; $2 says whether channels are told apart.
_SCOPE = "($1::text IS NULL OR campaign_id = $1)"
_STANDING = f"""
WITH standing AS (
    SELECT CASE WHEN $2 THEN channel END AS channel, customer_id, shop_id, order_id, currency, platform,
           merchant
    FROM redemptions WHERE {_SCOPE} AND NOT rolled_back
)
"""

_USED = f"""
{_STANDING}
SELECT channel, count(*) AS redemptions, count(DISTINCT customer_id) AS redeemers,
       count(DISTINCT (shop_id, order_id)) AS orders
FROM standing GROUP BY channel
"""

_SUBSIDY = f"""
{_STANDING}
SELECT channel, currency, count(*) AS redemptions, sum(platform) AS platform, sum(merchant) AS merchant
FROM standing GROUP BY channel, currency
"""

_SALES = f"""
{_STANDING}
SELECT u.channel, o.currency, count(*) AS orders, sum(o.amount - o.refunded_amount) AS sales
FROM (SELECT DISTINCT channel, shop_id, order_id FROM standing) AS u JOIN orders AS o USING (shop_id, order_id)
WHERE o.counted GROUP BY u.channel, o.currency
"""

# MT3 and AN5: a coupon is used, or it has expired unused, or it may still become either.
_ISSUED = f"""
WITH used AS (SELECT DISTINCT coupon_id FROM redemptions WHERE {_SCOPE} AND NOT rolled_back)
SELECT CASE WHEN $2 THEN channel END AS channel, count(*) AS issued, count(used.coupon_id) AS redeemed,
       count(*) FILTER (WHERE used.coupon_id IS NULL AND valid_until <= $3) AS expired
FROM coupons LEFT JOIN used USING (coupon_id) WHERE {_SCOPE} GROUP BY 1
"""


async def get_brought(session: ReadSession, campaign_id: str | None, clock: datetime) -> Brought:
    """Of one campaign, or of all together."""
    found = await _load(session, campaign_id, clock, by_channel=False)
    return found.get(None, Brought())


async def list_brought_by_channel(session: ReadSession, campaign_id: str | None, clock: datetime) -> dict[str, Brought]:
    """AN5: the same by channel code, sorted."""
    found = await _load(session, campaign_id, clock, by_channel=True)
    return {channel: brought for channel, brought in sorted(found.items(), key=str) if channel is not None}


async def _load(
    session: ReadSession, campaign_id: str | None, clock: datetime, *, by_channel: bool
) -> dict[str | None, Brought]:
    found: dict[str | None, Brought] = {}
    for row in await fetch(session, _ISSUED, campaign_id, by_channel, clock):
        each = found.setdefault(row["channel"], Brought())
        each.issued, each.redeemed, each.expired = row["issued"], row["redeemed"], row["expired"]
    for row in await fetch(session, _USED, campaign_id, by_channel):
        each = found.setdefault(row["channel"], Brought())
        each.redemptions, each.redeemers, each.orders = row["redemptions"], row["redeemers"], row["orders"]
    for row in await fetch(session, _SUBSIDY, campaign_id, by_channel):
        each = found[row["channel"]]
        each.uses[row["currency"]] = row["redemptions"]
        each.platform[row["currency"]], each.merchant[row["currency"]] = int(row["platform"]), int(row["merchant"])
    for row in await fetch(session, _SALES, campaign_id, by_channel):
        found[row["channel"]].sales[row["currency"]] = int(row["sales"])
    return found
