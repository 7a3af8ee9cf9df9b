"""I3 and I4: coupons issued and used, no more than was allowed; and I5, the money of their uses."""

from tools.verify.checks import Between, Check, Side, Within

_SUBSIDIES = """
SELECT campaign_id, channel, currency, count(*) AS uses, sum(platform)::text AS platform,
       sum(merchant)::text AS merchant
FROM {redemptions} GROUP BY campaign_id, channel, currency
"""


def _coupons(invariant: str, what: str, rows: str, wrong: str) -> Check:
    return Within(invariant, what, ("coupons",), rows, wrong)


def checks() -> list[Check]:
    return [
        _coupons(
            "I3",
            "templates' issued = their coupons",
            """SELECT template_id, issued, coalesce(coupons, 0) AS coupons FROM templates FULL JOIN (
                   SELECT template_id, count(*) AS coupons FROM coupons GROUP BY template_id) AS c
               USING (template_id)""",
            "issued IS DISTINCT FROM coupons",
        ),
        _coupons(
            "I3",
            "coupons up to each version of a template <= the quantity of that version",
            # Of a version by which nothing was issued the quantity may well be less than had been issued before.
            """SELECT template_id, version, (definition->>'quantity')::bigint AS quantity, issued FROM (
                   SELECT template_id, template_version AS version,
                          sum(count(*)) OVER (PARTITION BY template_id ORDER BY template_version) AS issued
                   FROM coupons GROUP BY template_id, template_version) AS c
               JOIN template_versions USING (template_id, version)""",
            "issued > quantity",
        ),
        _coupons(
            "I3",
            "each issued decision has one coupon, the others none",
            """SELECT decision_id, d.outcome, coalesce(coupons, 0) AS coupons
               FROM known_decisions AS d FULL JOIN (
                   SELECT decision_id, count(*) AS coupons FROM coupons GROUP BY decision_id) AS c
               USING (decision_id)""",
            "coupons <> CASE WHEN outcome = 'issued' THEN 1 ELSE 0 END",
        ),
        _coupons(
            "I4",
            "coupons' used = their standing redemptions, and not above their uses",
            """SELECT coupon_id, used, coalesce(standing, 0) AS standing, uses FROM coupons LEFT JOIN (
                   SELECT coupon_id, count(*) AS standing FROM redemptions WHERE rolled_back_at IS NULL
                   GROUP BY coupon_id) AS r USING (coupon_id)""",
            "used <> standing OR used > uses",
        ),
        _coupons(
            "I4",
            "each redemption has its coupon and its order",
            """SELECT redemption_id, coupon_id, shop_id, order_id, c.code
               FROM redemptions LEFT JOIN coupons AS c USING (coupon_id)""",
            "code IS NULL OR shop_id = '' OR order_id = ''",
        ),
        _coupons(
            "I4",
            "one redemption of a coupon stands for the same order and reference",
            """SELECT coupon_id, shop_id, order_id, reference, count(*) AS standing FROM redemptions
               WHERE rolled_back_at IS NULL GROUP BY coupon_id, shop_id, order_id, reference""",
            "standing > 1",
        ),
        _coupons(
            "I5",
            "no redemption gives less than nothing",
            "SELECT redemption_id, platform, merchant, amount FROM redemptions",
            "platform < 0 OR merchant < 0",
        ),
        Between(
            "I5",
            "subsidies by campaign, channel and currency: coupons' redemptions = metrics'",
            ("campaign_id", "channel", "currency"),
            Side(
                "coupons",
                _SUBSIDIES.format(
                    redemptions="redemptions JOIN coupons USING (coupon_id) WHERE rolled_back_at IS NULL"
                ),
            ),
            Side("metrics", _SUBSIDIES.format(redemptions="redemptions WHERE NOT rolled_back")),
            both=True,
        ),
    ]
