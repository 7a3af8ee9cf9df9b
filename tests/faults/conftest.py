"""A PostgreSQL of the tests' own, to be killed, cut off and made read-only; Kafka is the one of the test run."""

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from deploy.local.addresses import Given
from deploy.local.stack import Stack
from shared.database import Database, connect
from shared.migrations import upgrade_async
from tests.support.databases import Admin
from tests.support.working import Running, running_on


class Server:
    """PostgreSQL in a folder of its own."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.stack = Stack(folder, ports="free", given=Given(kafka_bootstrap=bootstrap))
        self.bootstrap = bootstrap
        self.stack.up_servers()
        self.admin = Admin(self.stack.admin_url)

    def kill(self) -> None:
        """The postmaster and all its children, at once; returns when they are gone."""
        postmaster = self.stack.processes.find("postgres")
        assert postmaster is not None
        for process in [postmaster, *postmaster.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        while self.stack.processes.find("postgres") is not None:
            time.sleep(0.005)

    async def start(self) -> None:
        """Unless it runs; returns when it lets somebody in."""
        async with asyncio.timeout(60):
            while True:
                # Each time: what runs may be about to end, as a server without room for its log is.
                await asyncio.to_thread(self.stack.start, "postgres")
                with suppress(OSError, asyncpg.PostgresError):
                    return await self.run("SELECT 1")
                await asyncio.sleep(0.05)

    async def run(self, *statements: str) -> None:
        """As administrator, in the administrator's database."""
        connection = await connect(self.stack.admin_url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()


@contextmanager
def server_in(folder: Path, bootstrap: str) -> Iterator[Server]:
    server = Server(folder, bootstrap)
    try:
        yield server
    finally:
        server.stack.down()  # never reset: the topics are not this stack's


@pytest.fixture(scope="module")
def server(servers: Stack) -> Iterator[Server]:
    # Not pytest's own folder: PostgreSQL, which is no root, could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="comeback-faults-"))
    with server_in(folder, servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]) as found:
        yield found
    shutil.rmtree(folder)


@pytest.fixture
async def running(server: Server) -> AsyncIterator[Running]:
    """Profile's worker on that server."""
    async with profile_on(server) as found:
        yield found


@asynccontextmanager
async def profile_on(server: Server) -> AsyncIterator[Running]:
    database = Database(await server.admin.fresh("profile", upgrade_async), size=5)
    async with running_on(server.bootstrap, database) as found:
        yield found
    await database.close()
    await server.start()
    await server.admin.drop(database.url)
