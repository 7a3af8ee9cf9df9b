"""The first tables."""

from alembic import op

from shared.migrations import RUNTIME_TABLES, run_statements

revision = "2026_11_22_first"
down_revision = None

TABLES = """
CREATE TABLE campaigns (
    campaign_id text, number bigint GENERATED ALWAYS AS IDENTITY, version bigint NOT NULL, status text NOT NULL,
    name text NOT NULL, template_id text NOT NULL, goal text NOT NULL,
    audience_kind text NOT NULL, audience_name text, audience_platform text, audience_size int,
    starts_at timestamptz NOT NULL, ends_at timestamptz, trigger text NOT NULL, trigger_at timestamptz,
    channel text NOT NULL, business_line text NOT NULL,
    holdout double precision NOT NULL, priority int NOT NULL, attribution_days int NOT NULL,
    max_cause_age_hours int NOT NULL, anti_harassment boolean NOT NULL, limit_per_customer int,
    expected_roi double precision, fired_through text, fired_at timestamptz, created_at timestamptz NOT NULL,
    CONSTRAINT pk_campaigns PRIMARY KEY (campaign_id),
    CONSTRAINT uq_campaigns_number UNIQUE (number)
);
CREATE INDEX ix_campaigns_status_number ON campaigns (status, number);
CREATE INDEX ix_campaigns_business_line_audience_name ON campaigns (business_line, audience_name);
CREATE TABLE campaign_versions (
    campaign_id text, version bigint, definition jsonb NOT NULL,
    CONSTRAINT pk_campaign_versions PRIMARY KEY (campaign_id, version)
);
CREATE TABLE campaign_audience (
    campaign_id text, piece int, source_ids text[] NOT NULL,
    CONSTRAINT pk_campaign_audience PRIMARY KEY (campaign_id, piece)
);
CREATE TABLE known_customers (
    customer_id text, stage text, stage_since timestamptz, stage_version bigint, stage_decided_at timestamptz,
    stage_change_id text,
    CONSTRAINT pk_known_customers PRIMARY KEY (customer_id)
);
CREATE INDEX ix_known_customers_stage_customer_id ON known_customers (stage, customer_id);
CREATE TABLE known_memberships (
    segment_id text, customer_id text, member boolean NOT NULL, since timestamptz NOT NULL,
    decided_at timestamptz NOT NULL, segment_version bigint NOT NULL,
    CONSTRAINT pk_known_memberships PRIMARY KEY (segment_id, customer_id)
);
CREATE TABLE pending_causes (
    caused_at timestamptz, customer_id text, kind text, name text, decided_at timestamptz NOT NULL,
    rule_version bigint NOT NULL,
    CONSTRAINT pk_pending_causes PRIMARY KEY (caused_at, customer_id, kind, name)
);
CREATE TABLE decisions (
    decision_id text, number bigint GENERATED ALWAYS AS IDENTITY, campaign_id text NOT NULL,
    campaign_version bigint NOT NULL, customer_id text NOT NULL, arm text NOT NULL, reasons text[] NOT NULL,
    cause text NOT NULL, caused_at timestamptz NOT NULL, decided_at timestamptz NOT NULL,
    stage text, stage_since timestamptz, rule_versions jsonb NOT NULL,
    CONSTRAINT pk_decisions PRIMARY KEY (decision_id)
);
CREATE INDEX ix_decisions_campaign_id_number ON decisions (campaign_id, number);
CREATE INDEX ix_decisions_campaign_id_arm_number ON decisions (campaign_id, arm, number);
CREATE INDEX ix_decisions_customer_id_number ON decisions (customer_id, number);
CREATE TABLE decision_outcomes (
    decision_id text, outcome text NOT NULL, code text, coupon_id text, coupon_code text, at timestamptz NOT NULL,
    CONSTRAINT pk_decision_outcomes PRIMARY KEY (decision_id)
);
"""


def upgrade() -> None:
    run_statements(op.execute, RUNTIME_TABLES)
    run_statements(op.execute, TABLES)
