"""Fixtures that all tests use: a real Kafka and PostgreSQL on free ports, and fresh databases on it."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from shared.database import Database
from shared.migrations import upgrade_async
from tests.support.databases import Admin

FreshDatabase = Callable[[str], Awaitable[Database]]


@pytest.fixture(scope="session")
def servers() -> Iterator[Stack]:
    """A Kafka and a PostgreSQL of this test run's own."""
    # Not pytest's own folder: another run would lock PostgreSQL, which is no root, out of it.
    folder = Path(tempfile.mkdtemp(prefix="comeback-tests-"))
    stack = Stack(folder, ports="free")
    stack.up_servers()
    yield stack
    stack.reset()
    shutil.rmtree(folder)


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
