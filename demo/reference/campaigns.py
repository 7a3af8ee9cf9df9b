"""The 27 campaigns: which basket a redemption is put on, how its discount is divided, and what each campaign brought.

Called by demo.reference.compute; leaves the table `redemptions` for the recall figures.
"""

from demo.reference.figures import Campaign, CampaignSums
from demo.reference.source import LAST_TICK, Db, row, rows

# The discount of a basket is divided evenly, the odd cents one each to its first redemptions.
_REDEMPTIONS = """
CREATE TABLE redemptions AS
WITH bearer AS (
    SELECT household_id, ny_day, basket_id, platform_cents, merchant_cents FROM orders
    QUALIFY row_number() OVER (
        PARTITION BY household_id, ny_day ORDER BY platform_cents DESC, sales_cents DESC, basket_id) = 1
), placed AS (
    SELECT r.campaign_id, r.household_id, r.coupon_upc, bearer.*,
        count(*) OVER (PARTITION BY basket_id) AS shares,
        row_number() OVER (PARTITION BY basket_id ORDER BY r.campaign_id, r.coupon_upc) AS share
    FROM raw_coupon_redemptions r
    LEFT JOIN bearer ON bearer.household_id = r.household_id AND ny_day = r.redemption_date::DATE
)
SELECT campaign_id, household_id, coupon_upc, ny_day, basket_id,
    platform_cents // shares + (share <= platform_cents % shares)::BIGINT AS platform_cents,
    merchant_cents // shares + (share <= merchant_cents % shares)::BIGINT AS merchant_cents
FROM placed
"""

_CAMPAIGNS = f"""
WITH audience AS (SELECT campaign_id, count(*) AS targeted FROM targeted GROUP BY ALL),
used AS (
    SELECT campaign_id, count(DISTINCT household_id) AS redeemers, count(*) AS redemptions,
        sum(platform_cents)::BIGINT AS platform_cents, sum(merchant_cents)::BIGINT AS merchant_cents
    FROM redemptions GROUP BY ALL
), sold AS (
    SELECT campaign_id, count(*) AS orders, sum(sales_cents)::BIGINT AS sales_cents
    FROM (SELECT DISTINCT campaign_id, basket_id FROM redemptions) JOIN orders USING (basket_id) GROUP BY ALL
)
SELECT campaign_id::VARCHAR, campaign_type, targeted, targeted AS issued,
    coalesce(redeemers, 0), coalesce(redemptions, 0), coalesce(redeemers, 0) / targeted,
    CASE WHEN ends_us <= epoch_us(TIMESTAMPTZ '{LAST_TICK}') THEN targeted ELSE coalesce(redeemers, 0) END,
    coalesce(orders, 0), coalesce(sales_cents, 0), coalesce(platform_cents, 0), coalesce(merchant_cents, 0)
FROM campaigns JOIN audience USING (campaign_id) LEFT JOIN used USING (campaign_id) LEFT JOIN sold USING (campaign_id)
ORDER BY campaigns.campaign_id
"""

_AUDIENCES = """
SELECT count(DISTINCT campaign_id), count(*), count(DISTINCT household_id), count(*) FILTER (starts_us < first_us)
FROM targeted JOIN campaigns USING (campaign_id)
JOIN (SELECT household_id, min(at_us) AS first_us FROM orders GROUP BY ALL) USING (household_id)
"""

_REDEEMED = """
SELECT count(*), count(DISTINCT (campaign_id, household_id)), count(DISTINCT household_id),
    count(DISTINCT campaign_id), count(DISTINCT coupon_upc), count(DISTINCT basket_id),
    (SELECT count(*) FROM (SELECT basket_id FROM redemptions GROUP BY ALL HAVING count(DISTINCT campaign_id) > 1)),
    count(DISTINCT (campaign_id, household_id, basket_id)),
    count(*) FILTER (basket_id IS NULL OR ny_day NOT BETWEEN start_day AND end_day OR targeted.household_id IS NULL)
FROM redemptions JOIN campaigns USING (campaign_id) LEFT JOIN targeted USING (campaign_id, household_id)
"""


def compute_campaigns(db: Db) -> tuple[list[Campaign], CampaignSums]:
    db.execute(_REDEMPTIONS)
    campaigns = [Campaign(*campaign) for campaign in rows(db, _CAMPAIGNS)]
    sums = CampaignSums(
        *row(db, _AUDIENCES),
        *row(db, _REDEEMED),
        sales_cents=sum(campaign.sales_cents for campaign in campaigns),
        platform_cents=sum(campaign.platform_cents for campaign in campaigns),
        merchant_cents=sum(campaign.merchant_cents for campaign in campaigns),
    )
    return campaigns, sums
