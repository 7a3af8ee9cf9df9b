"""Recent orders as bytes, which only the code reads; steps of the history in a block-range index of their instants."""

from alembic import op

from shared.migrations import run_statements

revision = "2026_11_22_recent"
down_revision = "2026_11_22_marks"

# The customers' ids in the index of who is due were most of it, and nobody asks for them there.
STATEMENTS = """
ALTER TABLE lifecycle_states RENAME COLUMN recent_orders TO recent_micros;
ALTER TABLE lifecycle_states ADD COLUMN recent_orders bytea NOT NULL DEFAULT '';
UPDATE lifecycle_states SET recent_orders = coalesce(
    (SELECT string_agg(int8send(at), ''::bytea ORDER BY at) FROM unnest(recent_micros) AS at), '');
ALTER TABLE lifecycle_states DROP COLUMN recent_micros, ALTER COLUMN recent_orders DROP DEFAULT;
DROP INDEX ix_lifecycle_history_since_from_stage_stage;
CREATE INDEX ix_lifecycle_history_since ON lifecycle_history USING brin (since);
DROP INDEX ix_lifecycle_states_due_at_customer_id;
CREATE INDEX ix_lifecycle_states_due_at ON lifecycle_states (due_at);
"""


def upgrade() -> None:
    run_statements(op.execute, STATEMENTS)
