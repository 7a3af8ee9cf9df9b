"""The five services as `verify` sees them: who hears whom, and a snapshot of their databases beside the log."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from deploy.local.errors import StackError
from deploy.local.names import SERVICES
from deploy.local.stack import Stack
from shared import topics
from shared.database import connect
from shared.inbox import Partition
from tools.asking import database_of
from tools.verify.log import Log, no_log, reach

# What each service's clock waits for; a test compares this with the services' own lists.
CLOCKED = {
    "profile": topics.STOREFRONT,
    "segmentation": (topics.PROFILE,),
    "targeting": (topics.PROFILE, topics.SEGMENTATION),
    "coupons": (topics.TARGETING, topics.PROFILE),
    "metrics": (topics.PROFILE, topics.SEGMENTATION, topics.TARGETING, topics.COUPONS),
}
UNCLOCKED = {"targeting": (topics.COUPONS,)}
TOLD_BY = {
    topics.PROFILE: "profile",
    topics.SEGMENTATION: "segmentation",
    topics.TARGETING: "targeting",
    topics.COUPONS: "coupons",
}
_PAUSE = 0.1
# The same values are the same text, whatever is usual in a database or for a role.
AS_TEXT = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'; SET LOCAL bytea_output = 'hex'"


def heard_by(service: str) -> tuple[str, ...]:
    return (*CLOCKED[service], *UNCLOCKED.get(service, ()))


@dataclass(slots=True)
class View:
    """One look at the whole system. `moving` says why it is not at rest; empty, what one told all others know."""

    stack: Stack
    databases: dict[str, Any]
    log: Log
    ends: dict[Partition, int]
    positions: dict[str, dict[Partition, int]]
    clocks: dict[str, datetime]
    moving: list[str]
    must_be_drained: bool
    max_age: float


@asynccontextmanager
async def look(stack: Stack, *, wait: float, max_age: float, must_be_drained: bool) -> AsyncIterator[View]:
    """A view of the system at rest, or after `wait` seconds of one that is not."""
    databases: dict[str, Any] = {}
    log = await reach(stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"])
    try:
        for service in SERVICES:
            databases[service] = await _open(stack, service)
        until = time.monotonic() + wait
        while True:
            view = View(stack, databases, log, {}, {}, {}, [], must_be_drained, max_age)
            await _take(view)
            if not view.moving or log is no_log or time.monotonic() >= until:
                break
            for connection in databases.values():
                await connection.reset()
            await asyncio.sleep(_PAUSE)
        yield view
    finally:
        await log.close()
        for connection in databases.values():
            await connection.close()


async def _open(stack: Stack, service: str) -> Any:
    try:
        return await connect(database_of(stack, service))
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"{service}'s database does not answer: {error or 'it took too long'}.") from error


async def _take(view: View) -> None:
    wanted = sorted({topic for service in SERVICES for topic in heard_by(service)})
    before = await view.log.ends(wanted)
    await view.log.read_committed()
    # Those who hear before those who tell: what a listener knows in its snapshot, the teller knew in a later one.
    for service in reversed(SERVICES):
        await _begin(view, service)
    view.ends = await view.log.ends(wanted)
    if view.log.answers:
        view.moving = [*_growing(before, view.ends), *_behind(view)]
    else:
        view.moving = ["Kafka does not answer, so nobody knows what is still in the log"]
    view.moving += [*await _unrelayed(view), *_apart(view.clocks)]


async def _begin(view: View, service: str) -> None:
    connection = view.databases[service]
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.execute(
        f"""{AS_TEXT}; SET LOCAL work_mem = '64MB'; SET LOCAL comeback.max_age = '{view.max_age}'"""
    )
    try:
        rows = await connection.fetch("SELECT topic, partition, next_offset FROM inbox")
    except asyncpg.UndefinedTableError as error:
        raise StackError(f"{service} has no tables yet: `comeback stack up` makes them.") from error
    view.positions[service] = {(row["topic"], row["partition"]): row["next_offset"] for row in rows}
    view.clocks[service] = await connection.fetchval("SELECT at FROM clock WHERE one = 1")


def _growing(before: dict[Partition, int], after: dict[Partition, int]) -> list[str]:
    return [f"{_name(each)} is being written to" for each, end in sorted(after.items()) if before.get(each) != end][:1]


async def _unrelayed(view: View) -> list[str]:
    counts = {each: await view.databases[each].fetchval("SELECT count(*) FROM outbox") for each in SERVICES}
    return [f"{service} has {count} rows in its outbox" for service, count in counts.items() if count]


def _behind(view: View) -> list[str]:
    """The first partition of each service that it has not read to its end."""
    found: list[str] = []
    for service in SERVICES:
        positions = view.positions[service]
        for partition in sorted(view.ends.keys() | positions.keys()):
            position, end = positions.get(partition, 0), view.ends.get(partition, 0)
            if partition[0] in heard_by(service) and position != end:
                found.append(f"{service} is at {position} of {end} in {_name(partition)}")
                break
    return found


def _apart(clocks: dict[str, datetime]) -> list[str]:
    if len(set(clocks.values())) == 1:
        return []
    return ["the clocks differ: " + ", ".join(f"{service} {at:%Y-%m-%d %H:%M:%S}" for service, at in clocks.items())]


def _name(partition: Partition) -> str:
    return f"{partition[0]}/{partition[1]}"
