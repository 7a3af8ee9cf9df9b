"""The first tables."""

from alembic import op

from shared.migrations import RUNTIME_TABLES, run_statements

revision = "2026_11_22_first"
down_revision = None

TABLES = """
CREATE TABLE templates (
    template_id text, version int NOT NULL, issued bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL, archived_at timestamptz,
    CONSTRAINT pk_templates PRIMARY KEY (template_id)
);
CREATE INDEX ix_templates_created_at_template_id ON templates (created_at, template_id);
CREATE TABLE template_versions (
    template_id text, version int, definition jsonb NOT NULL, created_at timestamptz NOT NULL,
    CONSTRAINT pk_template_versions PRIMARY KEY (template_id, version)
);
CREATE TABLE known_decisions (
    decision_id text, campaign_id text NOT NULL, customer_id text NOT NULL, arm text NOT NULL,
    caused_at timestamptz NOT NULL, decided_at timestamptz NOT NULL, priority int NOT NULL,
    template_id text NOT NULL, channel text NOT NULL, anti_harassment boolean NOT NULL, limit_per_customer bigint,
    outcome text, code text, kind text, answered_at timestamptz,
    CONSTRAINT pk_known_decisions PRIMARY KEY (decision_id)
);
CREATE INDEX ix_known_decisions_waiting ON known_decisions (customer_id) WHERE outcome IS NULL;
CREATE INDEX ix_known_decisions_delivered ON known_decisions (customer_id) WHERE outcome IN ('issued', 'withheld');
CREATE TABLE coupons (
    coupon_id text, code text NOT NULL, decision_id text NOT NULL, campaign_id text NOT NULL,
    customer_id text NOT NULL, template_id text NOT NULL, template_version int NOT NULL, kind text NOT NULL,
    channel text NOT NULL, issued_at timestamptz NOT NULL, valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL, uses bigint, used bigint NOT NULL DEFAULT 0,
    expiry_told boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_coupons PRIMARY KEY (coupon_id)
);
CREATE UNIQUE INDEX uq_coupons_code ON coupons (code);
CREATE INDEX ix_coupons_customer_id_issued_at_coupon_id ON coupons (customer_id, issued_at, coupon_id);
CREATE INDEX ix_coupons_expiring ON coupons (valid_until, coupon_id) WHERE NOT expiry_told;
CREATE TABLE redemptions (
    redemption_id text, coupon_id text NOT NULL, shop_id text NOT NULL, order_id text NOT NULL,
    reference text NOT NULL, attempt int NOT NULL, amount bigint NOT NULL, currency text NOT NULL,
    platform bigint NOT NULL, merchant bigint NOT NULL, redeemed_at timestamptz NOT NULL,
    rolled_back_at timestamptz, by_order boolean NOT NULL,
    CONSTRAINT pk_redemptions PRIMARY KEY (redemption_id)
);
CREATE UNIQUE INDEX uq_redemptions_natural_key ON redemptions (coupon_id, shop_id, order_id, reference, attempt);
CREATE INDEX ix_redemptions_coupon_id_redeemed_at_redemption_id ON redemptions (coupon_id, redeemed_at, redemption_id);
CREATE TABLE known_orders (
    order_key text, version bigint NOT NULL, customer_id text NOT NULL, shop_id text NOT NULL,
    order_id text NOT NULL, amount bigint NOT NULL, currency text NOT NULL, paid_at timestamptz,
    codes text[] NOT NULL, counted boolean NOT NULL, marked boolean NOT NULL,
    refusals jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT pk_known_orders PRIMARY KEY (order_key)
);
CREATE INDEX ix_known_orders_codes ON known_orders USING gin (codes);
CREATE INDEX ix_known_orders_marked ON known_orders (paid_at, order_key) WHERE marked;
"""


def upgrade() -> None:
    run_statements(op.execute, RUNTIME_TABLES)
    run_statements(op.execute, TABLES)
