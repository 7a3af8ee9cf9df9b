"""I1 and I7 between services: what an owner knows, everybody who was told of it knows as well."""

from tools.verify.checks import Between, Check, Side
from tools.verify.sums import ORDERS

# Told are orders that were paid for an amount that is known.
_TOLD = "paid_at IS NOT NULL AND total IS NOT NULL AND currency IS NOT NULL"
# Segmentation keeps off the edges of the calendar, which the driver takes for infinities.
_FINITE = "least(greatest(paid_at, '0001-01-01 00:00:00.000001Z'), '9999-12-31 23:59:59.999998Z')::text AS paid_at"

# Whoever comes for the first time only later has no stage yet, by which targeting knows them.
_BEGUN = "coalesce(least(first_order_at, first_visit_at) <= (SELECT at FROM clock), true)"


def _told(what: str, key: str, left: tuple[str, str], right: tuple[str, str], *, both: bool = False) -> Check:
    return Between("I1", what, tuple(key.split(", ")), Side(*left), Side(*right), both)


def checks() -> list[Check]:
    return [*_of_profile(), *_of_segmentation(), *_of_targeting(), *_of_coupons()]


def _of_profile() -> list[Check]:
    return [
        _told(
            "profile's paid orders are in segmentation",
            "order_key",
            ("profile", f"SELECT order_key, version, customer_id, {_FINITE}, counted FROM orders WHERE {_TOLD}"),
            ("segmentation", "SELECT order_key, version, customer_id, paid_at::text, counted FROM known_orders"),
        ),
        _told(
            "profile's paid orders are in metrics",
            "shop_id, order_id",
            (
                "profile",
                f"""SELECT shop_id, order_id, version, customer_id, currency, total AS amount, refunded_amount, counted,
                           paid_at::text FROM ({ORDERS}) AS o WHERE {_TOLD}""",
            ),
            (
                "metrics",
                """SELECT shop_id, order_id, version, customer_id, currency, amount, refunded_amount, counted,
                          paid_at::text FROM orders""",
            ),
        ),
        _told(
            "profile's visits are in metrics, counted by customer and instant",
            "customer_id",
            ("profile", _visits()),
            ("metrics", _visits()),
        ),
        _told(
            "profile's customers are in segmentation",
            "customer_id",
            ("profile", "SELECT customer_id, version, orders, visits FROM customers"),
            ("segmentation", "SELECT customer_id, version, orders, visits FROM customers"),
            both=True,
        ),
        _told(
            "profile's customers are in targeting",
            "customer_id",
            ("profile", f"SELECT customer_id FROM customers WHERE {_BEGUN}"),
            ("targeting", "SELECT customer_id FROM known_customers"),
        ),
    ]


def _visits() -> str:
    return """SELECT customer_id, count(DISTINCT visited_at) AS visits, min(visited_at)::text AS first_visit_at,
                     max(visited_at)::text AS last_visit_at FROM visits GROUP BY customer_id"""


def _of_segmentation() -> list[Check]:
    staged = ("segmentation", "SELECT customer_id, stage FROM lifecycle_states WHERE stage IS NOT NULL")
    return [
        _told(
            "segmentation's stages are in targeting",
            "customer_id",
            staged,
            ("targeting", "SELECT customer_id, stage FROM known_customers WHERE stage IS NOT NULL"),
            both=True,
        ),
        _told(
            "segmentation's stages are in metrics",
            "customer_id",
            staged,
            ("metrics", "SELECT customer_id, stage FROM stages WHERE stage IS NOT NULL"),
            both=True,
        ),
        _told(
            "segmentation's memberships are in targeting",
            "segment_id, customer_id",
            ("segmentation", "SELECT segment_id, customer_id FROM memberships"),
            ("targeting", "SELECT segment_id, customer_id FROM known_memberships WHERE member"),
            both=True,
        ),
    ]


def _of_targeting() -> list[Check]:
    decision = "decision_id, campaign_id, customer_id, decided_at::text"
    return [
        _told(
            "targeting's campaigns are in metrics",
            "campaign_id",
            ("targeting", "SELECT campaign_id, version, status FROM campaigns"),
            ("metrics", "SELECT campaign_id, version, status FROM campaigns"),
        ),
        _told(
            "targeting's decisions, treated and held out, are in coupons",
            "decision_id",
            ("targeting", f"SELECT {decision}, arm FROM decisions WHERE arm <> 'suppressed'"),
            ("coupons", f"SELECT {decision}, arm FROM known_decisions"),
        ),
        _told(
            "targeting's decisions are in metrics",
            "decision_id",
            ("targeting", f"SELECT {decision}, arm FROM decisions"),
            ("metrics", f"SELECT {decision}, decided_arm AS arm FROM decisions WHERE decided_arm IS NOT NULL"),
        ),
    ]


def _of_coupons() -> list[Check]:
    outcomes = "SELECT decision_id, outcome, code FROM {} WHERE outcome IS NOT NULL"
    coupons = """SELECT coupon_id, campaign_id, customer_id, channel, issued_at::text, valid_until::text FROM coupons"""
    return [
        _told(
            "coupons' answers are in targeting",
            "decision_id",
            ("coupons", outcomes.format("known_decisions")),
            ("targeting", outcomes.format("decision_outcomes")),
        ),
        _told(
            "coupons' answers are in metrics",
            "decision_id",
            ("coupons", outcomes.format("known_decisions")),
            ("metrics", outcomes.format("decisions")),
        ),
        _told("coupons' coupons are in metrics", "coupon_id", ("coupons", coupons), ("metrics", coupons)),
        _told(
            "coupons' redemptions are in metrics",
            "redemption_id",
            (
                "coupons",
                """SELECT redemption_id, coupon_id, campaign_id, customer_id, shop_id, order_id,
                          rolled_back_at IS NOT NULL AS rolled_back
                   FROM redemptions JOIN coupons USING (coupon_id)""",
            ),
            (
                "metrics",
                """SELECT redemption_id, coupon_id, campaign_id, customer_id, shop_id, order_id, rolled_back
                   FROM redemptions""",
            ),
        ),
    ]
