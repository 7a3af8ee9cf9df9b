"""What coupons were issued and used, and what that brought: of one campaign or of all, in sum and by channel."""

from datetime import datetime
from typing import Any

from services.metrics.domain.figures import Brought
from services.metrics.repository.planning import plan_for_many
from shared.database import ReadSession, fetch

# $1 is a campaign, or null for all.
_SCOPE = "($1::text IS NULL OR campaign_id = $1)"

# MT3 and AN5: a coupon is used, or it has expired unused, or it may still become either.
_ISSUED = f"""
WITH used AS (SELECT DISTINCT coupon_id FROM redemptions WHERE {_SCOPE} AND NOT rolled_back)
SELECT channel, count(*) AS issued, count(used.coupon_id) AS redeemed,
       count(*) FILTER (WHERE used.coupon_id IS NULL AND valid_until <= $2) AS expired
FROM coupons LEFT JOIN used USING (coupon_id) WHERE {_SCOPE} GROUP BY channel
"""

# A customer who used two channels, and an order that used both, count in each of them, and once in the whole.
_USED = f"""
SELECT channel, grouping(channel) AS whole, count(*) AS redemptions, count(DISTINCT customer_id) AS redeemers,
       count(DISTINCT (shop_id, order_id)) AS orders
FROM redemptions WHERE {_SCOPE} AND NOT rolled_back GROUP BY GROUPING SETS ((), (channel))
"""

_SUBSIDY = f"""
SELECT channel, currency, count(*) AS uses, sum(platform) AS platform, sum(merchant) AS merchant
FROM redemptions WHERE {_SCOPE} AND NOT rolled_back GROUP BY channel, currency
"""

_SALES = f"""
SELECT u.channel, u.whole, o.currency, sum(o.amount - o.refunded_amount) AS sales
FROM (SELECT channel, grouping(channel) AS whole, shop_id, order_id
      FROM redemptions WHERE {_SCOPE} AND NOT rolled_back
      GROUP BY GROUPING SETS ((shop_id, order_id), (channel, shop_id, order_id))) AS u
JOIN orders AS o USING (shop_id, order_id)
WHERE o.counted GROUP BY 1, 2, 3
"""


async def get_brought(
    session: ReadSession, campaign_id: str | None, clock: datetime
) -> tuple[Brought, dict[str, Brought]]:
    """The whole of one campaign, or of all; and the same by channel code, sorted (AN5)."""
    await plan_for_many(session)
    whole, channels = Brought(), dict[str, Brought]()

    def part(row: Any) -> Brought:
        return channels.setdefault(row["channel"], Brought())

    for row in await fetch(session, _ISSUED, campaign_id, clock):
        for each in (whole, part(row)):
            each.add_coupons(row["issued"], row["redeemed"], row["expired"])
    for row in await fetch(session, _SUBSIDY, campaign_id):
        for each in (whole, part(row)):
            each.add_subsidy(row["currency"], row["uses"], int(row["platform"]), int(row["merchant"]))
    for row in await fetch(session, _USED, campaign_id):
        each = whole if row["whole"] else part(row)
        each.redemptions, each.redeemers, each.orders = row["redemptions"], row["redeemers"], row["orders"]
    for row in await fetch(session, _SALES, campaign_id):
        (whole if row["whole"] else part(row)).sales[row["currency"]] = int(row["sales"])
    return whole, dict(sorted(channels.items()))
