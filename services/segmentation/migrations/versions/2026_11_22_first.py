"""The first tables."""

from alembic import op

from shared.migrations import RUNTIME_TABLES, run_statements

revision = "2026_11_22_first"
down_revision = None

TABLES = """
CREATE TABLE customers (
    customer_id text, version bigint NOT NULL, platform text NOT NULL, source_id text, is_member boolean NOT NULL,
    orders bigint NOT NULL, spend jsonb NOT NULL, first_order_at timestamptz, last_order_at timestamptz,
    first_visit_at timestamptz, last_visit_at timestamptz, visits bigint NOT NULL,
    CONSTRAINT pk_customers PRIMARY KEY (customer_id)
);
CREATE TABLE known_orders (
    order_key text, version bigint NOT NULL, customer_id text NOT NULL, paid_at timestamptz, counted boolean NOT NULL,
    CONSTRAINT pk_known_orders PRIMARY KEY (order_key)
);
CREATE INDEX ix_known_orders_customer_id_paid_at ON known_orders (customer_id, paid_at) WHERE counted;
CREATE TABLE touched (
    customer_id text, changes_from timestamptz, untimed boolean NOT NULL,
    CONSTRAINT pk_touched PRIMARY KEY (customer_id)
);
CREATE TABLE lifecycle_states (
    customer_id text, stage text, stage_since timestamptz, reacquired boolean NOT NULL,
    cycle_started_at timestamptz, last_order_at timestamptz, recent_orders bigint[] NOT NULL,
    evaluated_at timestamptz NOT NULL, due_at timestamptz,
    CONSTRAINT pk_lifecycle_states PRIMARY KEY (customer_id)
);
CREATE INDEX ix_lifecycle_states_due_at_customer_id ON lifecycle_states (due_at, customer_id);
CREATE TABLE lifecycle_history (
    customer_id text, since timestamptz, until timestamptz, stage text NOT NULL, from_stage text,
    reacquired boolean NOT NULL, model_version int NOT NULL,
    CONSTRAINT pk_lifecycle_history PRIMARY KEY (customer_id, since)
);
CREATE INDEX ix_lifecycle_history_until_since_stage ON lifecycle_history (until, since, stage);
CREATE INDEX ix_lifecycle_history_since_from_stage_stage ON lifecycle_history (since, from_stage, stage);
CREATE TABLE segments (
    segment_id text, version int NOT NULL, name text NOT NULL, rule json NOT NULL, status text NOT NULL,
    filled_up_to text NOT NULL, filled bigint NOT NULL, to_fill bigint NOT NULL,
    created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    CONSTRAINT pk_segments PRIMARY KEY (segment_id)
);
CREATE INDEX ix_segments_created_at_segment_id ON segments (created_at, segment_id);
CREATE TABLE segment_versions (
    segment_id text, version int, rule json NOT NULL, created_at timestamptz NOT NULL,
    CONSTRAINT pk_segment_versions PRIMARY KEY (segment_id, version)
);
CREATE TABLE memberships (
    customer_id text, segment_id text, since timestamptz NOT NULL, segment_version int NOT NULL,
    CONSTRAINT pk_memberships PRIMARY KEY (customer_id, segment_id)
);
CREATE INDEX ix_memberships_segment_id_customer_id ON memberships (segment_id, customer_id);
CREATE TABLE memberships_due (
    customer_id text, due_at timestamptz NOT NULL,
    CONSTRAINT pk_memberships_due PRIMARY KEY (customer_id)
);
CREATE INDEX ix_memberships_due_due_at_customer_id ON memberships_due (due_at, customer_id);
"""


def upgrade() -> None:
    run_statements(op.execute, RUNTIME_TABLES)
    run_statements(op.execute, TABLES)
