"""Room in the pages of customers: a row that is written anew stays in its page, and no index hears of it."""

from alembic import op

from shared.migrations import run_statements

revision = "2026_11_28_room"
down_revision = "2026_11_22_recent"

# Rows that are there already get their room when they are written anew: nothing is locked for that.
STATEMENTS = """
ALTER TABLE customers SET (fillfactor = 75);
"""


def upgrade() -> None:
    run_statements(op.execute, STATEMENTS)
