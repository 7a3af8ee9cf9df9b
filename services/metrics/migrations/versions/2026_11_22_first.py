"""The first tables."""

from alembic import op

from shared.migrations import RUNTIME_TABLES, run_statements

revision = "2026_11_22_first"
down_revision = None

TABLES = """
CREATE TABLE orders (
    shop_id text, order_id text, version bigint NOT NULL, customer_id text NOT NULL, currency text NOT NULL,
    amount bigint NOT NULL, refunded_amount bigint NOT NULL, counted boolean NOT NULL, paid_at timestamptz,
    CONSTRAINT pk_orders PRIMARY KEY (shop_id, order_id)
);
CREATE INDEX ix_orders_customer_id_paid_at ON orders (customer_id, paid_at);
CREATE INDEX ix_orders_paid_at ON orders USING brin (paid_at);
CREATE TABLE visits (
    customer_id text, visited_at timestamptz, CONSTRAINT pk_visits PRIMARY KEY (customer_id, visited_at)
);
CREATE INDEX ix_visits_visited_at ON visits USING brin (visited_at);
CREATE TABLE stages (
    model text, customer_id text, stage text, decided_at timestamptz NOT NULL, caused_at timestamptz NOT NULL,
    change_id text NOT NULL, CONSTRAINT pk_stages PRIMARY KEY (model, customer_id)
);
CREATE TABLE campaigns (
    campaign_id text, version bigint NOT NULL, name text, goal text NOT NULL, business_line text, status text,
    channel text NOT NULL, template_id text NOT NULL, attribution_days int NOT NULL,
    starts_at timestamptz, ends_at timestamptz,
    CONSTRAINT pk_campaigns PRIMARY KEY (campaign_id)
);
CREATE TABLE decisions (
    campaign_id text, customer_id text, decision_id text,
    decided_arm text, reason text, stage text, decided_at timestamptz, window_ends_at timestamptz,
    outcome text, code text,
    arm text GENERATED ALWAYS AS (
        CASE WHEN decided_arm IS NULL THEN NULL WHEN outcome = 'issued' THEN 'treated'
             WHEN outcome = 'withheld' THEN 'held_out' WHEN outcome = 'refused' THEN 'suppressed'
             WHEN decided_arm = 'suppressed' THEN 'suppressed' ELSE 'pending' END) STORED,
    CONSTRAINT pk_decisions PRIMARY KEY (campaign_id, customer_id, decision_id)
);
CREATE TABLE coupons (
    coupon_id text, campaign_id text NOT NULL, customer_id text NOT NULL, channel text NOT NULL,
    issued_at timestamptz NOT NULL, valid_until timestamptz NOT NULL,
    CONSTRAINT pk_coupons PRIMARY KEY (coupon_id)
);
CREATE INDEX ix_coupons_campaign_id ON coupons (campaign_id);
CREATE TABLE redemptions (
    redemption_id text, coupon_id text NOT NULL, campaign_id text NOT NULL, customer_id text NOT NULL,
    channel text NOT NULL, shop_id text NOT NULL, order_id text NOT NULL, currency text NOT NULL,
    platform bigint NOT NULL, merchant bigint NOT NULL, rolled_back boolean NOT NULL,
    CONSTRAINT pk_redemptions PRIMARY KEY (redemption_id)
);
CREATE INDEX ix_redemptions_campaign_id ON redemptions (campaign_id);
"""


def upgrade() -> None:
    run_statements(op.execute, RUNTIME_TABLES)
    run_statements(op.execute, TABLES)
