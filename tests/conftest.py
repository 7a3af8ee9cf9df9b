"""Fixtures that all tests use: a real Kafka and PostgreSQL on free ports, and fresh databases on it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.database import Database
from shared.migrations import upgrade_async
from tests.support.databases import Admin

FreshDatabase = Callable[[str], Awaitable[Database]]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A Kafka and a PostgreSQL of this test run's own."""
    stack = Stack(Path(tmp_path_factory.mktemp("stack")), ports="free")
    stack.up_servers()
    yield stack
    stack.down()


@pytest.fixture(scope="session")
def admin(servers: Stack) -> Admin:
    return Admin(servers.admin_url)


@pytest.fixture
async def fresh_database(admin: Admin) -> AsyncIterator[FreshDatabase]:
    """`await fresh_database("coupons")`: a migrated, empty database of that service, gone after the test."""
    made: list[Database] = []

    async def make(service: str) -> Database:
        database = Database(await admin.fresh(service, upgrade_async), size=5)
        made.append(database)
        return database

    yield make
    for database in made:
        await database.close()
        await admin.drop(database.url)
