"""The first tables."""

from alembic import op

from shared.migrations import RUNTIME_TABLES, run_statements

revision = "2026_11_22_first"
down_revision = None

TABLES = """
CREATE TABLE customers (
    customer_id text, version bigint NOT NULL, platform text NOT NULL, source_id text, anonymous_id text,
    member boolean, member_at timestamptz, member_by text NOT NULL DEFAULT '',
    orders bigint NOT NULL, visits bigint NOT NULL,
    first_order_at timestamptz, last_order_at timestamptz, first_visit_at timestamptz, last_visit_at timestamptz,
    CONSTRAINT pk_customers PRIMARY KEY (customer_id)
);
CREATE INDEX ix_customers_source_id ON customers (source_id);
CREATE TABLE customer_spend (
    customer_id text, currency text, orders bigint NOT NULL, paid_amount bigint NOT NULL,
    CONSTRAINT pk_customer_spend PRIMARY KEY (customer_id, currency)
);
CREATE TABLE orders (
    order_key text, shop_id text NOT NULL, order_id text NOT NULL, customer_id text NOT NULL,
    version bigint NOT NULL DEFAULT 0, told_at timestamptz, told_by text NOT NULL DEFAULT '',
    total bigint, currency text, coupons text[] NOT NULL DEFAULT '{}', channel text,
    paid_at timestamptz, cancelled_at timestamptz,
    refunds int NOT NULL DEFAULT 0, refund_total bigint NOT NULL DEFAULT 0, refunds_all boolean NOT NULL DEFAULT false,
    counted boolean NOT NULL DEFAULT false,
    CONSTRAINT pk_orders PRIMARY KEY (order_key)
);
CREATE INDEX ix_orders_customer_id_paid_at ON orders (customer_id, paid_at);
CREATE TABLE refunds (
    order_key text, refund_id text, amount bigint, refunded_at timestamptz NOT NULL,
    CONSTRAINT pk_refunds PRIMARY KEY (order_key, refund_id)
);
CREATE TABLE visits (
    visit_id text, customer_id text NOT NULL, shop_id text NOT NULL, visited_at timestamptz NOT NULL,
    CONSTRAINT pk_visits PRIMARY KEY (visit_id)
);
"""


def upgrade() -> None:
    run_statements(op.execute, RUNTIME_TABLES)
    run_statements(op.execute, TABLES)
