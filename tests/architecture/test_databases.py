"""What migrations make is what models say, and no service can read another's tables."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from deploy.local.stack import Stack
from shared import migrations
from shared.database import fetch_value
from tests.architecture.rules import SERVICES
from tests.conftest import FreshDatabase


def drift(connection: Connection, metadata: MetaData) -> list[Any]:
    """How the database differs from the models; primary keys and room in pages too, which alembic does not compare."""
    options = {"compare_type": True, "compare_server_default": True}
    found = list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))
    inspector = inspect(connection)
    for table in metadata.sorted_tables:
        if inspector.has_table(table.name):
            there = inspector.get_pk_constraint(table.name)["constrained_columns"]
            if there != [column.name for column in table.primary_key.columns]:
                found.append(("primary key", table.name, there))
            room = inspector.get_table_options(table.name).get("postgresql_with", {})
            if room != {name: str(value) for name, value in (table.kwargs.get("postgresql_with") or {}).items()}:
                found.append(("storage", table.name, room))
    return found


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncConnection]:
    """What is done in the block is taken back."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


def models_of(service: str) -> MetaData:
    return importlib.import_module(f"services.{service}.models").metadata


@pytest.mark.parametrize("service", SERVICES)
async def test_a_migrated_database_is_what_the_models_say(service: str, fresh_database: FreshDatabase) -> None:
    database = await fresh_database(service)
    async with opened(database.url) as connection:
        assert await connection.run_sync(drift, models_of(service)) == []


PLANTED = [
    "ALTER TABLE orders ADD COLUMN planted text",
    "ALTER TABLE orders DROP COLUMN channel",
    "ALTER TABLE orders ALTER COLUMN total TYPE int",
    "ALTER TABLE orders ALTER COLUMN shop_id DROP NOT NULL",
    "ALTER TABLE orders ALTER COLUMN refunds SET DEFAULT 1",
    "ALTER TABLE refunds DROP CONSTRAINT pk_refunds, ADD PRIMARY KEY (refund_id)",
    "DROP INDEX ix_orders_customer_id_paid_at",
    "CREATE INDEX planted ON orders (paid_at)",
    "CREATE TABLE planted (id int)",
    "DROP TABLE visits",
    "ALTER TABLE customers RESET (fillfactor)",
    "ALTER TABLE orders SET (fillfactor = 50)",
]


async def test_a_planted_difference_is_seen(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    unseen: list[str] = []
    for planted in PLANTED:
        async with opened(database.url) as connection:
            await connection.exec_driver_sql(planted)
            if not await connection.run_sync(drift, models_of("profile")):
                unseen.append(planted)
    assert unseen == []


@pytest.mark.parametrize("service", SERVICES)
async def test_an_empty_database_becomes_the_newest_and_stays_so(service: str, fresh_database: FreshDatabase) -> None:
    database = await fresh_database(service)  # made empty, then migrated
    await migrations.upgrade_async(service, database.url)
    async with database.transaction() as session:
        assert await fetch_value(session, "SELECT version_num FROM alembic_version") == migrations.head(service)


@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_cannot_open_the_database_of_another(role: str, servers: Stack) -> None:
    own = servers.environment()[f"COMEBACK_{role.upper()}_DATABASE_URL"]
    for other in (*others(role), "postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(own.rsplit("/", 1)[0] + f"/{other}")


@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_could_not_read_the_tables_of_another(role: str, servers: Stack) -> None:
    """Even if it were let in."""
    for other in others(role):
        owner = await asyncpg.connect(servers.environment()[f"COMEBACK_{other.upper()}_DATABASE_URL"])
        admin = await asyncpg.connect(servers.admin_url.rsplit("/", 1)[0] + f"/{other}")
        try:
            await owner.execute("CREATE TABLE own_secrets (secret text)")
            await admin.execute(f"SET ROLE {role}")
            for statement in ("SELECT * FROM own_secrets", "DELETE FROM own_secrets", "CREATE TABLE planted (id int)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await admin.execute(statement)
        finally:
            await owner.execute("DROP TABLE own_secrets")
            await owner.close()
            await admin.close()


def others(role: str) -> list[str]:
    return [service for service in SERVICES if service != role]
