"""Profile's tables."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from shared.tables import instant, service_metadata

metadata = service_metadata()

customers = Table(
    "customers",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("platform", Text, nullable=False),
    Column("source_id", Text),
    Column("anonymous_id", Text),
    Column("member", Boolean),
    instant("member_at", nullable=True),
    Column("member_by", Text, nullable=False, server_default=""),
    Column("orders", BigInteger, nullable=False),
    Column("visits", BigInteger, nullable=False),
    instant("first_order_at", nullable=True),
    instant("last_order_at", nullable=True),
    instant("first_visit_at", nullable=True),
    instant("last_visit_at", nullable=True),
    Index("ix_customers_source_id", "source_id"),
    # Written anew at nearly every event of theirs: in the same page as long as there is room.
    postgresql_with={"fillfactor": 75},
)

customer_spend = Table(
    "customer_spend",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("currency", Text, primary_key=True),
    Column("orders", BigInteger, nullable=False),
    Column("paid_amount", BigInteger, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_key", Text, primary_key=True),
    Column("shop_id", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("version", BigInteger, nullable=False, server_default="0"),
    instant("told_at", nullable=True),
    Column("told_by", Text, nullable=False, server_default=""),
    Column("total", BigInteger),
    Column("currency", Text),
    Column("coupons", ARRAY(Text), nullable=False, server_default="{}"),
    Column("channel", Text),
    instant("paid_at", nullable=True),
    instant("cancelled_at", nullable=True),
    Column("refunds", Integer, nullable=False, server_default="0"),
    Column("refund_total", BigInteger, nullable=False, server_default="0"),
    Column("refunds_all", Boolean, nullable=False, server_default="false"),
    Column("counted", Boolean, nullable=False, server_default="false"),
    Index("ix_orders_customer_id_paid_at", "customer_id", "paid_at"),
)

refunds = Table(
    "refunds",
    metadata,
    Column("order_key", Text, primary_key=True),
    Column("refund_id", Text, primary_key=True),
    Column("amount", BigInteger),
    instant("refunded_at"),
)

visits = Table(
    "visits",
    metadata,
    Column("visit_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("shop_id", Text, nullable=False),
    instant("visited_at"),
)
