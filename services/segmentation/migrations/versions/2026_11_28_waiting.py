"""Marks can wait for a tick: what will change somebody's lifecycle only later needs no look until then."""

from alembic import op

from shared.migrations import run_statements

revision = "2026_11_28_waiting"
down_revision = "2026_11_28_room"

STATEMENTS = """
ALTER TABLE marks ADD COLUMN not_before timestamptz NOT NULL DEFAULT '-infinity';
CREATE INDEX ix_marks_not_before ON marks (not_before);
"""


def upgrade() -> None:
    run_statements(op.execute, STATEMENTS)
