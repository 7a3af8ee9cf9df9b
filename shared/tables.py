"""The tables of the runtime itself, the same in each service's database. Created by each service's first migration."""

from sqlalchemy import BigInteger, Column, DateTime, Integer, LargeBinary, MetaData, SmallInteger, Table, Text, func
from sqlalchemy.dialects.postgresql import JSONB

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}


def instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def add_runtime_tables(metadata: MetaData) -> None:
    """Declares inbox, outbox, clock, parked, idempotency keys and API keys on a service's metadata."""
    Table(
        "inbox",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("first_offset", BigInteger, nullable=False),
        Column("next_offset", BigInteger, nullable=False),
        Column("applied", BigInteger, nullable=False, server_default="0"),
        Column("parked", BigInteger, nullable=False, server_default="0"),
        Column("ticks", BigInteger, nullable=False, server_default="0"),
        instant("tick_at", nullable=True),
        Column("tick_partitions", Integer),
    )
    Table(
        "outbox",
        metadata,
        Column("outbox_id", BigInteger, primary_key=True, autoincrement=True),
        Column("events", Integer, nullable=False),
        Column("messages", LargeBinary, nullable=False),
        instant("tick_at", nullable=True),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    Table("clock", metadata, Column("one", SmallInteger, primary_key=True), instant("at"))
    Table(
        "parked",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("record_offset", BigInteger, primary_key=True),
        Column("key", LargeBinary),
        Column("body", LargeBinary),
        Column("reason", Text, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="1"),
        Column("parked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        instant("retry_requested_at", nullable=True),
    )
    Table(
        "idempotency_keys",
        metadata,
        Column("key_id", Text, primary_key=True),
        Column("idempotency_key", Text, primary_key=True),
        Column("request_hash", Text, nullable=False),
        Column("status", Integer, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("media_type", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
    )
    Table(
        "api_keys",
        metadata,
        Column("key_id", Text, primary_key=True),
        Column("sealed", Text, nullable=False),
        Column("scopes", JSONB, nullable=False),
        Column("shop_id", Text),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        instant("revoked_at", nullable=True),
    )


def service_metadata() -> MetaData:
    """Metadata with constraint names that migrations can speak of, and the runtime's tables in it."""
    metadata = MetaData(naming_convention=NAMES)
    add_runtime_tables(metadata)
    return metadata
