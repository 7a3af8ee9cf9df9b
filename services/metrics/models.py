"""Metrics' tables: facts as they were told. No figure is stored, so none can drift from the facts."""

from sqlalchemy import BigInteger, Boolean, Column, Computed, Index, Integer, Table, Text

from shared.tables import instant, service_metadata

metadata = service_metadata()

orders = Table(
    "orders",
    metadata,
    Column("shop_id", Text, primary_key=True),
    Column("order_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("refunded_amount", BigInteger, nullable=False),
    Column("counted", Boolean, nullable=False),
    instant("paid_at", nullable=True),
    Index("ix_orders_customer_id_paid_at", "customer_id", "paid_at"),
    # Nearly free to keep: facts arrive about in the order in which they happened.
    Index("ix_orders_paid_at", "paid_at", postgresql_using="brin"),
)

# The figures ask whether and when somebody came: two visits of one instant are one.
visits = Table(
    "visits",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("visited_at", instant("visited_at").type, primary_key=True),
    Index("ix_visits_visited_at", "visited_at", postgresql_using="brin"),
)

stages = Table(
    "stages",
    metadata,
    Column("model", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("stage", Text),
    instant("decided_at"),
    instant("caused_at"),
    Column("change_id", Text, nullable=False),
)

# A campaign that is known from its decisions alone has a negative version, and neither name nor status.
campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("name", Text),
    Column("goal", Text, nullable=False),
    Column("business_line", Text),
    Column("status", Text),
    Column("channel", Text, nullable=False),
    Column("template_id", Text, nullable=False),
    Column("attribution_days", Integer, nullable=False),
    instant("starts_at", nullable=True),
    instant("ends_at", nullable=True),
)

# One row holds what targeting decided and what coupons answered, whichever is heard first. The key begins with the
# campaign, so that its index finds a campaign's decisions and, among them, a customer's.
decisions = Table(
    "decisions",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("decision_id", Text, primary_key=True),
    Column("decided_arm", Text),
    Column("reason", Text),
    Column("stage", Text),
    instant("decided_at", nullable=True),
    instant("window_ends_at", nullable=True),
    Column("outcome", Text),
    Column("code", Text),
    Column(
        "arm",
        Text,
        Computed(
            "CASE WHEN decided_arm IS NULL THEN NULL WHEN outcome = 'issued' THEN 'treated' "
            "WHEN outcome = 'withheld' THEN 'held_out' WHEN outcome = 'refused' THEN 'suppressed' "
            "WHEN decided_arm = 'suppressed' THEN 'suppressed' ELSE 'pending' END",
            persisted=True,
        ),
    ),
)

coupons = Table(
    "coupons",
    metadata,
    Column("coupon_id", Text, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    instant("issued_at"),
    instant("valid_until"),
    Index("ix_coupons_campaign_id", "campaign_id"),
)

redemptions = Table(
    "redemptions",
    metadata,
    Column("redemption_id", Text, primary_key=True),
    Column("coupon_id", Text, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("shop_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("platform", BigInteger, nullable=False),
    Column("merchant", BigInteger, nullable=False),
    Column("rolled_back", Boolean, nullable=False),
    Index("ix_redemptions_campaign_id", "campaign_id"),
)
