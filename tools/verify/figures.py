"""I10: what metrics counts and adds up equals the same over the owners' tables; so it has nothing that nobody told."""

from tools.verify.checks import Between, Check, Side
from tools.verify.sums import ORDERS


def _equal(what: str, key: str, left: tuple[str, str], right: str) -> Check:
    return Between("I10", what, tuple(key.split(", ")), Side(*left), Side("metrics", right), both=True)


def checks() -> list[Check]:
    return [
        _equal(
            "orders and sales by shop and currency: profile = metrics",
            "shop_id, currency",
            (
                "profile",
                f"""SELECT shop_id, currency, count(*) AS orders, sum(total - refunded_amount)::text AS sales
                    FROM ({ORDERS}) AS o WHERE counted GROUP BY shop_id, currency""",
            ),
            """SELECT shop_id, currency, count(*) AS orders, sum(amount - refunded_amount)::text AS sales
               FROM orders WHERE counted GROUP BY shop_id, currency""",
        ),
        _equal(
            "customers by stage: segmentation = metrics",
            "stage",
            (
                "segmentation",
                "SELECT stage, count(*) AS customers FROM lifecycle_states WHERE stage IS NOT NULL GROUP BY stage",
            ),
            "SELECT stage, count(*) AS customers FROM stages WHERE stage IS NOT NULL GROUP BY stage",
        ),
        _equal(
            "decisions by campaign and arm: targeting = metrics",
            "campaign_id, arm",
            ("targeting", "SELECT campaign_id, arm, count(*) AS decisions FROM decisions GROUP BY campaign_id, arm"),
            """SELECT campaign_id, decided_arm AS arm, count(*) AS decisions FROM decisions
               WHERE decided_arm IS NOT NULL GROUP BY campaign_id, decided_arm""",
        ),
        _equal(
            "issued coupons by campaign: coupons = metrics",
            "campaign_id",
            ("coupons", "SELECT campaign_id, count(*) AS issued FROM coupons GROUP BY campaign_id"),
            "SELECT campaign_id, count(*) AS issued FROM coupons GROUP BY campaign_id",
        ),
        _equal(
            "redemptions and redeemers by campaign: coupons = metrics",
            "campaign_id",
            (
                "coupons",
                """SELECT campaign_id, count(*) AS redemptions, count(DISTINCT customer_id) AS redeemers
                   FROM redemptions JOIN coupons USING (coupon_id) WHERE rolled_back_at IS NULL GROUP BY campaign_id""",
            ),
            """SELECT campaign_id, count(*) AS redemptions, count(DISTINCT customer_id) AS redeemers
               FROM redemptions WHERE NOT rolled_back GROUP BY campaign_id""",
        ),
    ]
