"""Marks by batch: one row for all whom a batch concerned, instead of a row for each, written and deleted every tick.

Expands and contracts at once, as nothing has been released yet.
"""

from alembic import op

from shared.migrations import run_statements

revision = "2026_11_22_marks"
down_revision = "2026_11_22_first"

# Compressing arrays of random ids would cost more than writing them.
STATEMENTS = """
CREATE TABLE marks (
    mark_id bigserial, merged boolean NOT NULL DEFAULT false, customer_ids text[] NOT NULL,
    changes_from timestamptz[] NOT NULL, untimed boolean[] NOT NULL,
    CONSTRAINT pk_marks PRIMARY KEY (mark_id)
);
ALTER TABLE marks ALTER COLUMN customer_ids SET STORAGE EXTERNAL;
ALTER TABLE marks ALTER COLUMN changes_from SET STORAGE EXTERNAL;
INSERT INTO marks (customer_ids, changes_from, untimed)
SELECT array_agg(customer_id), array_agg(changes_from), array_agg(untimed) FROM touched HAVING count(*) > 0;
DROP TABLE touched;
"""


def upgrade() -> None:
    run_statements(op.execute, STATEMENTS)
