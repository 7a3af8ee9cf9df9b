"""Profile's HTTP process and worker on a Kafka and a PostgreSQL of these tests' own, to be stopped and flooded."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from demo.storefront import Doors
from deploy.local.stack import Stack

MIB = 1024 * 1024


class Profile:
    """Profile's two processes on a Kafka and a PostgreSQL of their own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.doors = Doors.of(stack.environment())
        self.url = httpx.URL(self.doors.urls["profile"])
        self.headers = {"Authorization": f"Bearer {self.doors.api_key}"}

    def resident(self) -> int:
        """Bytes, now."""
        process = self.stack.processes.find("profile")
        assert process is not None
        return process.memory_info().rss

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[list[int]]:
        """By how many bytes the HTTP process has grown, ten times a second."""
        before, found = self.resident(), [0]

        async def look() -> None:
            while True:
                found.append(self.resident() - before)
                await asyncio.sleep(0.1)

        task = asyncio.create_task(look())
        try:
            yield found
        finally:
            task.cancel()

    async def raw(self, *pieces: bytes, pause: float = 0.0, wait: float = 5.0) -> bytes:
        """What comes back for these bytes, sent one after the other, until it closes or so many seconds have passed."""
        reader, writer = await asyncio.open_connection(self.url.host, self.url.port)
        writing = asyncio.create_task(_write(writer, pieces, pause))
        answer = b""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(wait):
                while some := await reader.read(65_536):
                    answer += some
        writing.cancel()
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(writing, writer.wait_closed())
        return answer

    async def is_well(self) -> float:
        """Answers somebody else who sends a page; in how many seconds."""
        started = time.perf_counter()
        async with httpx.AsyncClient(headers=self.headers, base_url=self.url) as http:
            answer = await http.post("/v1/page", json={"userId": "somebody-else"})
        assert answer.status_code == 200, answer.text
        return time.perf_counter() - started

    def log(self) -> list[str]:
        return self.stack.home.log("profile").read_text().splitlines()


async def _write(writer: asyncio.StreamWriter, pieces: tuple[bytes, ...], pause: float) -> None:
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)


@pytest.fixture(scope="package")
def profile() -> Iterator[Profile]:
    # Not pytest's own folder: PostgreSQL, which is no root, could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="comeback-ingest-"))
    stack = Stack(folder, ports="free")
    try:
        stack.up(clock="wall", services=("profile",))
        yield Profile(stack)
    finally:
        stack.reset()
        shutil.rmtree(folder)
