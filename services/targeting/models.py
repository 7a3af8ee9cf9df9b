"""Targeting's tables."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Identity, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import instant, service_metadata

metadata = service_metadata()

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("template_id", Text, nullable=False),
    Column("goal", Text, nullable=False),
    Column("audience_kind", Text, nullable=False),
    Column("audience_name", Text),
    Column("audience_platform", Text),
    Column("audience_size", Integer),
    instant("starts_at"),
    instant("ends_at", nullable=True),
    Column("trigger", Text, nullable=False),
    instant("trigger_at", nullable=True),
    Column("channel", Text, nullable=False),
    Column("business_line", Text, nullable=False),
    Column("holdout", Double, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attribution_days", Integer, nullable=False),
    Column("max_cause_age_hours", Integer, nullable=False),
    Column("anti_harassment", Boolean, nullable=False),
    Column("limit_per_customer", Integer),
    Column("expected_roi", Double),
    Column("fired_through", Text),
    instant("fired_at", nullable=True),
    instant("created_at"),
    Index("ix_campaigns_status_number", "status", "number"),
    Index("ix_campaigns_business_line_audience_name", "business_line", "audience_name"),
)

campaign_versions = Table(
    "campaign_versions",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("definition", JSONB, nullable=False),
)

# An explicit list in pieces of a few thousand ids: one piece is one transaction when the campaign fires.
campaign_audience = Table(
    "campaign_audience",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("piece", Integer, primary_key=True),
    Column("source_ids", ARRAY(Text), nullable=False),
)

known_customers = Table(
    "known_customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("stage", Text),
    instant("stage_since", nullable=True),
    Column("stage_version", BigInteger),
    instant("stage_decided_at", nullable=True),
    Column("stage_change_id", Text),
    Index("ix_known_customers_stage_customer_id", "stage", "customer_id"),
)

known_memberships = Table(
    "known_memberships",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("member", Boolean, nullable=False),
    instant("since"),
    instant("decided_at"),
    Column("segment_version", BigInteger, nullable=False),
)

# Who came into a stage or segment since the tick that was decided last.
pending_causes = Table(
    "pending_causes",
    metadata,
    Column("caused_at", DateTime(timezone=True), primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    instant("decided_at"),
    Column("rule_version", BigInteger, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("campaign_version", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("arm", Text, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("cause", Text, nullable=False),
    instant("caused_at"),
    instant("decided_at"),
    Column("stage", Text),
    instant("stage_since", nullable=True),
    Column("rule_versions", JSONB, nullable=False),
    Index("ix_decisions_campaign_id_number", "campaign_id", "number"),
    Index("ix_decisions_campaign_id_arm_number", "campaign_id", "arm", "number"),
    Index("ix_decisions_customer_id_number", "customer_id", "number"),
)

# What became of a decision, told by coupons; it may be told before a restored service has decided again.
decision_outcomes = Table(
    "decision_outcomes",
    metadata,
    Column("decision_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("coupon_id", Text),
    Column("coupon_code", Text),
    instant("at"),
)
