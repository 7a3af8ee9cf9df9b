"""Writes the wall clock's ticks into the storefront topics: one ticker, in profile's worker, if COMEBACK_CLOCK=wall."""

import asyncio
from collections.abc import Sequence

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from shared.clock import wall
from shared.database import Database, stand_by
from shared.events import Tick
from shared.outbox import Publisher, RelayLost

TICKER_LOCK = 7_201_002
_BUSY = 0.25
_IDLE = 1.0


class Ticker:
    def __init__(self, database: Database, publisher: Publisher, topics: Sequence[str]) -> None:
        self._database = database
        self._publisher = publisher
        self._topics = topics

    async def run(self) -> None:
        """Waits for the lock, then ticks for as long as the session that holds it lives."""
        connection = await self._database.connect()
        try:
            await stand_by(connection, TICKER_LOCK)
            applied = None
            while True:
                await self._tick()
                seen = await connection.fetchval("SELECT sum(applied) FROM inbox")
                await asyncio.sleep(_IDLE if seen == applied else _BUSY)
                applied = seen
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise RelayLost(str(error)) from error
        finally:
            connection.terminate()

    async def _tick(self) -> None:
        # First the instant, then the count, then the writing: a partition that grows in between is never told too late.
        at = wall()
        for topic in self._topics:
            partitions = await self._publisher.count_partitions(topic)
            await self._publisher.publish(topic, [], Tick(at=at, partitions=partitions))
