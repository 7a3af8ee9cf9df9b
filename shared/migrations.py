"""Brings a service's database to the newest schema, and says whether it is there."""

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

_LOCK = 7_201_003


def _config(service: str) -> Config:
    spec = find_spec(f"services.{service}")
    assert spec is not None, f"there is no service {service}"
    assert spec.origin is not None, f"{service} is not a package"
    config = Config()
    config.set_main_option("script_location", str(Path(spec.origin).parent / "migrations"))
    return config


def upgrade(service: str, database_url: str) -> None:
    """Runs all migrations that are missing; safe to repeat, and when two do it at once one waits."""
    asyncio.run(upgrade_async(service, database_url))


async def upgrade_async(service: str, database_url: str) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        await connection.run_sync(_upgrade_on, service)
    await engine.dispose()


def _upgrade_on(connection: Connection, service: str) -> None:
    config = _config(service)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_env(metadata: MetaData) -> None:
    """What each service's `migrations/env.py` calls."""
    context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True)
    context.run_migrations()


def head(service: str) -> str | None:
    """The newest revision that the code knows."""
    return ScriptDirectory.from_config(_config(service)).get_current_head()


# What the outbox holds comes compressed, by something ten times as fast as PostgreSQL's default.
RUNTIME_TABLES = """
CREATE TABLE inbox (
    topic text, partition int, first_offset bigint NOT NULL, next_offset bigint NOT NULL,
    applied bigint NOT NULL DEFAULT 0, parked bigint NOT NULL DEFAULT 0, ticks bigint NOT NULL DEFAULT 0,
    tick_at timestamptz, tick_partitions int,
    CONSTRAINT pk_inbox PRIMARY KEY (topic, partition)
);
CREATE TABLE outbox (
    outbox_id bigserial, events int NOT NULL, messages bytea NOT NULL, tick_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_outbox PRIMARY KEY (outbox_id)
);
ALTER TABLE outbox ALTER COLUMN messages SET STORAGE EXTERNAL;
CREATE TABLE clock (one smallint, at timestamptz NOT NULL, CONSTRAINT pk_clock PRIMARY KEY (one));
INSERT INTO clock VALUES (1, '0001-01-02 00:00:00+00');
CREATE TABLE parked (
    topic text, partition int, record_offset bigint, key bytea, body bytea, reason text NOT NULL,
    attempts int NOT NULL DEFAULT 1, parked_at timestamptz NOT NULL DEFAULT now(), retry_requested_at timestamptz,
    CONSTRAINT pk_parked PRIMARY KEY (topic, partition, record_offset)
);
CREATE TABLE idempotency_keys (
    key_id text, idempotency_key text, request_hash text NOT NULL, status int NOT NULL, body bytea NOT NULL,
    media_type text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at);
CREATE TABLE api_keys (
    key_id text, sealed text NOT NULL, scopes jsonb NOT NULL, shop_id text,
    created_at timestamptz NOT NULL DEFAULT now(), revoked_at timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (key_id)
);
"""


def run_statements(execute: Callable[[str], None], sql: str) -> None:
    """Each statement of `sql` by itself, which is how the driver wants them; `execute` is `op.execute`."""
    for statement in sql.split(";"):
        if statement.strip():
            execute(statement)
