"""Coupons' tables."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import instant, service_metadata

metadata = service_metadata()

templates = Table(
    "templates",
    metadata,
    Column("template_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("issued", BigInteger, nullable=False, server_default="0"),
    instant("created_at"),
    instant("archived_at", nullable=True),
    Index("ix_templates_created_at_template_id", "created_at", "template_id"),
)

template_versions = Table(
    "template_versions",
    metadata,
    Column("template_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", JSONB, nullable=False),
    instant("created_at"),
)

# What targeting decided; without an answer it waits for the tick.
known_decisions = Table(
    "known_decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("arm", Text, nullable=False),
    instant("caused_at"),
    instant("decided_at"),
    Column("priority", Integer, nullable=False),
    Column("template_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("anti_harassment", Boolean, nullable=False),
    Column("limit_per_customer", BigInteger),
    Column("outcome", Text),
    Column("code", Text),
    Column("kind", Text),
    instant("answered_at", nullable=True),
    Index("ix_known_decisions_waiting", "customer_id", postgresql_where=text("outcome IS NULL")),
    Index(
        "ix_known_decisions_delivered",
        "customer_id",
        postgresql_where=text("outcome IN ('issued', 'withheld')"),
    ),
)

coupons = Table(
    "coupons",
    metadata,
    Column("coupon_id", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("template_id", Text, nullable=False),
    Column("template_version", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    instant("issued_at"),
    instant("valid_from"),
    instant("valid_until"),
    Column("uses", BigInteger),
    Column("used", BigInteger, nullable=False, server_default="0"),
    Column("expiry_told", Boolean, nullable=False, server_default="false"),
    Index("uq_coupons_code", "code", unique=True),
    Index("ix_coupons_customer_id_issued_at_coupon_id", "customer_id", "issued_at", "coupon_id"),
    Index("ix_coupons_expiring", "valid_until", "coupon_id", postgresql_where=text("NOT expiry_told")),
)

redemptions = Table(
    "redemptions",
    metadata,
    Column("redemption_id", Text, primary_key=True),
    Column("coupon_id", Text, nullable=False),
    Column("shop_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("platform", BigInteger, nullable=False),
    Column("merchant", BigInteger, nullable=False),
    instant("redeemed_at"),
    instant("rolled_back_at", nullable=True),
    Column("by_order", Boolean, nullable=False),
    Index("uq_redemptions_natural_key", "coupon_id", "shop_id", "order_id", "reference", "attempt", unique=True),
    Index("ix_redemptions_coupon_id_redeemed_at_redemption_id", "coupon_id", "redeemed_at", "redemption_id"),
)

# Paid orders that name codes; marked until a tick has looked at them, and again when a coupon they name is issued.
known_orders = Table(
    "known_orders",
    metadata,
    Column("order_key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("shop_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    instant("paid_at", nullable=True),
    Column("codes", ARRAY(Text), nullable=False),
    Column("counted", Boolean, nullable=False),
    Column("marked", Boolean, nullable=False),
    Column("refusals", JSONB, nullable=False, server_default="{}"),
    Index("ix_known_orders_codes", "codes", postgresql_using="gin"),
    Index("ix_known_orders_marked", "paid_at", "order_key", postgresql_where=text("marked")),
)
