"""I6: profile, segmentation and metrics once more, from the log alone, in databases of their own beside the live ones.

The services' own code reads the log from its beginning up to where the live service stands, and tells nobody.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import structlog

from deploy.local.errors import StackError
from services.metrics import consumers as metrics
from services.metrics import timers as metrics_timers
from services.profile import consumers as profile
from services.profile import timers as profile_timers
from services.segmentation import consumers as segmentation
from services.segmentation import timers as segmentation_timers
from shared.consuming import Consumers
from shared.database import Database, connect
from shared.ids import Ids
from shared.inbox import Partition
from shared.migrations import upgrade_async
from shared.process import end
from shared.timekeeper import Decide
from shared.worker import Wiring, Worker
from tools.verify.system import AS_TEXT, View, heard_by

# How many records of how many have been read again.
Show = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Code:
    """What makes a service's tables of its events."""

    consumers: Consumers
    decide: Decide
    decide_piece: Decide | None = None


REBUILT = {
    "profile": Code(profile.consumers, profile_timers.on_tick),
    "segmentation": Code(segmentation.consumers, segmentation_timers.on_tick, segmentation_timers.on_piece),
    "metrics": Code(metrics.consumers, metrics_timers.on_tick),
}
LOCK = 7_201_010
_LOOK_EVERY = 0.1
# What segmentation decides about at once; the outcome is the same.
_PIECE = 10_000
# Without a step forward for so long it is stuck.
_PATIENCE = 60.0


async def why_not(view: View, service: str) -> str | None:
    """Why the log cannot tell all that the service knows; None if it can."""
    if not view.log.answers:
        return "Kafka does not answer"
    if view.moving:
        return f"the system is moving: {view.moving[0]}"
    rows = await view.databases[service].fetch("SELECT topic, partition, first_offset FROM inbox")
    begins = await view.log.begins(heard_by(service))
    for row in sorted(rows, key=tuple):
        begin = begins.get((row["topic"], row["partition"]), 0)
        if begin > row["first_offset"]:
            return (
                f"the log is not whole any more: {row['topic']}/{row['partition']} begins at {begin}, "
                f"and {service} has read it from {row['first_offset']} on"
            )
    return None


@asynccontextmanager
async def rebuilt(view: View, service: str, show: Show) -> AsyncIterator[Any]:
    """A connection to the rebuilt database, in one snapshot; the database is gone afterwards."""
    admin = await connect(view.stack.admin_url)
    name = f"comeback_rebuilt_{service}"
    try:
        if not await admin.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            raise StackError("Another `comeback verify --rebuild` is running: wait until it has ended.")
        # One that was killed may have left its own.
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            url = urlsplit(view.stack.admin_url)._replace(path=f"/{name}").geturl()
            with _quiet():
                await upgrade_async(service, url)
                await _read_again(view, service, url, show)
            async with _snapshot(url) as connection:
                yield connection
        finally:
            # If the server has gone away, the next run does it.
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError as error:
        raise StackError(f"`--rebuild` makes databases of its own, and may not: {error}.") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackError(f"{service} could not be rebuilt: {error!r}.") from error
    finally:
        await admin.close()


@asynccontextmanager
async def _snapshot(url: str) -> AsyncIterator[Any]:
    connection = await connect(url)
    try:
        await connection.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {AS_TEXT}")
        yield connection
    finally:
        await connection.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Workers say what they do on standard output, which is the report's here: only errors, on standard error."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


async def _read_again(view: View, service: str, url: str, show: Show) -> None:
    database = Database(url, size=3)
    goal = view.positions[service]
    wiring = Wiring(
        service=service,
        bootstrap=view.stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"],
        database=database,
        consumers=REBUILT[service].consumers,
        decide=REBUILT[service].decide,
        tells=True,
        info={"ids": Ids(view.stack.secret), "tick_piece": _PIECE},
        decide_piece=REBUILT[service].decide_piece,
        group=f"comeback-rebuilt-{service}",
        until=goal,
    )
    worker = asyncio.create_task(Worker(wiring).run())
    try:
        await _until_there(view, service, url, worker, show)
    finally:
        await end([worker])
        await database.close()


async def _until_there(view: View, service: str, url: str, worker: asyncio.Task[None], show: Show) -> None:
    """Until it stands in every partition, and in time, where the live service stands."""
    goal, connection = view.positions[service], await connect(url)
    before, since = None, time.monotonic()
    try:
        while True:
            if worker.done():
                raise StackError(f"{service} could not be rebuilt: {worker.exception()!r}.")
            positions, clock = await _standing(connection)
            # What it tells is told to nobody.
            told = await connection.execute("DELETE FROM outbox")
            if positions == goal and clock == view.clocks[service]:
                return
            # A tick that concerns many is decided in pieces, which move no position.
            if (positions, clock) != before or told != "DELETE 0":
                before, since = (positions, clock), time.monotonic()
                show(service, sum(positions.values()), sum(goal.values()))
            if time.monotonic() - since > _PATIENCE:
                raise StackError(f"{service} could not be rebuilt: it stands at {positions} and {clock}.")
            await asyncio.sleep(_LOOK_EVERY)
    finally:
        await connection.close()


async def _standing(connection: Any) -> tuple[dict[Partition, int], Any]:
    rows = await connection.fetch("SELECT topic, partition, next_offset FROM inbox")
    clock = await connection.fetchval("SELECT at FROM clock WHERE one = 1")
    return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}, clock
