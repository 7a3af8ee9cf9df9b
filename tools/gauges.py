"""How each service stands: clock, what it has not read yet, what waits to leave, what is parked. For `stack status`."""

import asyncio
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import InterfaceError, PostgresError
from rich.table import Table

from deploy.local.names import SERVICES
from shared import topics
from shared.clock import BEGINNING
from shared.database import connect
from shared.inbox import Partition
from shared.kafka import Consumer, KafkaError

PATIENCE_SECONDS = 5
# By partition: the first offset that the log still has, and the one after its last.
Ends = dict[Partition, tuple[int, int]]

_STANDING = """
SELECT (SELECT at FROM clock WHERE one = 1) AS clock, (SELECT count(*) FROM outbox) AS outbox,
       (SELECT extract(epoch FROM now() - min(created_at))::float FROM outbox) AS outbox_age,
       (SELECT count(*) FROM parked) AS parked
"""


@dataclass(frozen=True)
class Gauge:
    """One service. `behind` is None while Kafka cannot be asked; `partitions` are those it has begun to read."""

    clock: datetime
    behind: int | None
    outbox: int
    outbox_age_seconds: float | None
    parked: int
    partitions: int
    all_partitions: int | None


class Gauges:
    """Reads them as often as it is asked; keeps the connection to Kafka in between."""

    def __init__(self) -> None:
        self._log: LogEnds | None = None

    async def read(self, environment: Mapping[str, str], *, ask_kafka: bool = True) -> dict[str, Gauge | None]:
        """By service; None when its database does not answer, or has no tables yet."""
        self._log = self._log or LogEnds(environment["COMEBACK_KAFKA_BOOTSTRAP"])
        # Positions before ends: what is applied in between must not look like more than there is.
        urls = [environment[f"COMEBACK_{service.upper()}_DATABASE_URL"] for service in SERVICES]
        standing = await asyncio.gather(*map(_read, urls))
        ends = await self._log.ask() if ask_kafka else None
        return {name: each and _gauge(*each, ends) for name, each in zip(SERVICES, standing, strict=True)}

    async def aclose(self) -> None:
        if self._log is not None:
            await self._log.close()


async def _read(url: str) -> tuple[Any, dict[Partition, int]] | None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            connection = await connect(url)
            try:
                row = await connection.fetchrow(_STANDING)
                inbox = await connection.fetch("SELECT topic, partition, next_offset FROM inbox")
            finally:
                await connection.close()
    except (OSError, TimeoutError, PostgresError, InterfaceError):
        return None
    return row, {(each["topic"], each["partition"]): each["next_offset"] for each in inbox}


def _gauge(row: Any, positions: dict[Partition, int], ends: Ends | None) -> Gauge:
    behind, count = None, None
    if ends is not None:
        heard = {topic for topic, _ in positions}
        mine = {partition: bounds for partition, bounds in ends.items() if partition[0] in heard}
        behind, count = (
            sum(max(0, last - positions.get(part, first)) for part, (first, last) in mine.items()),
            len(mine),
        )
    age = row["outbox_age"]
    return Gauge(row["clock"] or BEGINNING, behind, row["outbox"], age, row["parked"], len(positions), count)


class LogEnds:
    """Asks Kafka where its partitions begin and end; keeps the connection, and makes a new one when it breaks."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: Consumer | None = None

    async def assigned(self, partitions: list[Partition]) -> None:
        assert self._consumer is not None, "only a consumer is assigned anything"
        self._consumer.pause(partitions)

    async def revoked(self) -> None:
        """Nothing to give back."""

    async def ask(self) -> Ends | None:
        """None when Kafka does not answer, or has no topics yet."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                consumer = self._consumer or await self._connect()
                await consumer.poll(0)  # whoever never polls is taken for dead
                return await consumer.bounds(consumer.assignment())
        except (KafkaError, TimeoutError, OSError):
            await self.close()
            return None

    async def _connect(self) -> Consumer:
        # A group that nobody else has and that commits nothing: the broker forgets it when we leave.
        group = f"comeback-status-{secrets.token_hex(6)}"
        self._consumer = Consumer(self._bootstrap, group, topics.ALL, self, session_seconds=10)
        await self._consumer.start()
        return self._consumer

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await consumer.stop()


def table_of(gauges: Mapping[str, Gauge | None]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("service", "clock"):
        table.add_column(title, no_wrap=True)
    for title in ("behind", "outbox", "oldest", "parked", "partitions"):
        table.add_column(title, justify="right", no_wrap=True)
    for service, gauge in gauges.items():
        table.add_row(service, *(_cells(gauge) if gauge else ["[red]down[/red]"]))
    return table


def _cells(gauge: Gauge) -> list[str]:
    age = gauge.outbox_age_seconds
    all_read = gauge.all_partitions in (None, gauge.partitions)
    return [
        "not set" if gauge.clock == BEGINNING else f"{gauge.clock:%Y-%m-%d %H:%M:%S}",
        "[red]?[/red]" if gauge.behind is None else str(gauge.behind),
        str(gauge.outbox),
        "" if age is None else f"{max(0.0, age):.1f} s",
        f"[red]{gauge.parked}[/red]" if gauge.parked else "0",
        str(gauge.partitions) if all_read else f"{gauge.partitions} of {gauge.all_partitions}",
    ]
