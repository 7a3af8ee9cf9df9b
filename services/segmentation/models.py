"""Segmentation's tables."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.tables import instant, service_metadata

metadata = service_metadata()

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("platform", Text, nullable=False),
    Column("source_id", Text),
    Column("is_member", Boolean, nullable=False),
    Column("orders", BigInteger, nullable=False),
    # By currency: {"USD": {"orders": 3, "paid_amount": 4500}}.
    Column("spend", JSONB, nullable=False),
    instant("first_order_at", nullable=True),
    instant("last_order_at", nullable=True),
    instant("first_visit_at", nullable=True),
    instant("last_visit_at", nullable=True),
    Column("visits", BigInteger, nullable=False),
    # Written anew at nearly every event of theirs: in the same page as long as there is room.
    postgresql_with={"fillfactor": 75},
)

known_orders = Table(
    "known_orders",
    metadata,
    Column("order_key", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("customer_id", Text, nullable=False),
    instant("paid_at", nullable=True),
    Column("counted", Boolean, nullable=False),
)
Index(
    "ix_known_orders_customer_id_paid_at",
    known_orders.c.customer_id,
    known_orders.c.paid_at,
    postgresql_where=known_orders.c.counted,
)

# Whose facts changed since the last tick, and from which instant on that can change their lifecycle (NULL: not at all).
# One or two rows for each batch; the tick merges them, and writes down in pieces what it cannot take at once, and by
# the second what waits for a later tick.
marks = Table(
    "marks",
    metadata,
    Column("mark_id", BigInteger, primary_key=True),
    Column("merged", Boolean, nullable=False, server_default=text("false")),
    Column("customer_ids", ARRAY(Text), nullable=False),
    Column("changes_from", ARRAY(instant("at").type), nullable=False),
    Column("untimed", ARRAY(Boolean), nullable=False),
    Column("not_before", instant("at").type, nullable=False, server_default=text("'-infinity'"), index=True),
)

lifecycle_states = Table(
    "lifecycle_states",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("stage", Text),
    instant("stage_since", nullable=True),
    Column("reacquired", Boolean, nullable=False),
    instant("cycle_started_at", nullable=True),
    instant("last_order_at", nullable=True),
    # The counted orders of the model's lookback, as eight bytes of microseconds each: read at every evaluation.
    Column("recent_orders", LargeBinary, nullable=False),
    instant("evaluated_at"),
    instant("due_at", nullable=True),
    Index("ix_lifecycle_states_due_at", "due_at"),
)

lifecycle_history = Table(
    "lifecycle_history",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("since", instant("since").type, primary_key=True),
    instant("until", nullable=True),
    Column("stage", Text, nullable=False),
    Column("from_stage", Text),
    Column("reacquired", Boolean, nullable=False),
    Column("model_version", Integer, nullable=False),
    # Counts as of an instant: the entries still open and those that ended later, so recent instants are cheap.
    Index("ix_lifecycle_history_until_since_stage", "until", "since", "stage"),
    Index("ix_lifecycle_history_since", "since", postgresql_using="brin"),
)

segments = Table(
    "segments",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),
    # As it was written, keys in their order.
    Column("rule", JSON, nullable=False),
    Column("status", Text, nullable=False),
    # Filling: customers up to and with this id have been looked at under the present version.
    Column("filled_up_to", Text, nullable=False),
    Column("filled", BigInteger, nullable=False),
    Column("to_fill", BigInteger, nullable=False),
    instant("created_at"),
    instant("updated_at"),
    Index("ix_segments_created_at_segment_id", "created_at", "segment_id"),
)

segment_versions = Table(
    "segment_versions",
    metadata,
    Column("segment_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rule", JSON, nullable=False),
    instant("created_at"),
)

memberships = Table(
    "memberships",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("segment_id", Text, primary_key=True),
    instant("since"),
    Column("segment_version", Integer, nullable=False),
    Index("ix_memberships_segment_id_customer_id", "segment_id", "customer_id"),
)

# When time alone may next bring a customer into a segment or out of one.
memberships_due = Table(
    "memberships_due",
    metadata,
    Column("customer_id", Text, primary_key=True),
    instant("due_at"),
    Index("ix_memberships_due_due_at_customer_id", "due_at", "customer_id"),
)
