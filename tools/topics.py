"""`comeback topics`: how many partitions there are, and more of them while everything runs."""

import asyncio
from typing import Annotated, Any

import typer

from deploy.local.errors import StackError
from shared import topics as names
from shared.broker import add_partitions, get_last_ticks
from shared.database import connect, lock_session
from shared.events import Tick
from shared.kafka import KafkaError, Producer
from shared.outbox import RELAY_LOCK
from shared.ticker import TICKER_LOCK
from tools.asking import database_of, the_stack
from tools.output import complain, out

app = typer.Typer(help="The topics: their partitions, and more of them.", no_args_is_help=True)

# Who writes a topic's ticks, and under which lock.
_GRACE = 1.0
_WRITERS = {
    **dict.fromkeys(names.STOREFRONT, ("profile", TICKER_LOCK)),
    names.PROFILE: ("profile", RELAY_LOCK),
    names.SEGMENTATION: ("segmentation", RELAY_LOCK),
    names.TARGETING: ("targeting", RELAY_LOCK),
    names.COUPONS: ("coupons", RELAY_LOCK),
}
_LET_GO = """SELECT pg_terminate_backend(pid) FROM pg_locks
             WHERE locktype = 'advisory' AND granted AND objid = {lock}
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


@app.command("list")
def list_topics() -> None:
    """Show each topic: how many partitions it has, and the tick that all of them have seen."""
    bootstrap = the_stack().environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    for topic in names.ALL:
        ticks = asyncio.run(get_last_ticks(bootstrap, topic))
        known = [tick.at for tick in ticks.values() if tick is not None]
        seen = min(known).isoformat() if len(known) == len(ticks) else "not all have ticked"
        out.print(f"{topic:24} {len(ticks):4} partitions   {seen}", markup=False, soft_wrap=True)


@app.command()
def grow(
    topic: Annotated[str, typer.Argument(help=f"One of {', '.join(names.ALL)}.")],
    partitions: Annotated[int, typer.Option("--partitions", "-p", min=1, help="How many there are to be.")],
) -> None:
    """Give a topic more partitions; safe to repeat after a crash. Partitions never become fewer.

    Whoever ticks into the topic ends and must be started again: `comeback stack up` does it here.
    """
    if topic not in names.ALL:
        raise typer.BadParameter(f"there is no topic {topic}; there are {', '.join(names.ALL)}")
    stack = the_stack()
    environment = stack.environment()
    service, lock = _WRITERS[topic]
    try:
        added = asyncio.run(
            grow_topic(environment["COMEBACK_KAFKA_BOOTSTRAP"], database_of(stack, service), lock, topic, partitions)
        )
    except KafkaError as error:
        complain(f"The broker refuses: {error}.")
        raise typer.Exit(2) from error
    out.print(f"{topic} has {partitions} partitions, {added} of them new to ticks.")
    out.print(f"{service}'s worker has ended if it ticked into it: `comeback stack up` starts it again.")


async def grow_topic(bootstrap: str, database_url: str, lock: int, topic: str, partitions: int) -> int:
    """Grows it under the lock of who ticks into it; how many partitions were given their first tick.

    The tick is the last that the log holds, the smallest of its partitions; never a clock's: what a clock has reached
    may not have been told yet.
    """
    connection = await _locked(database_url, lock)
    try:
        # What was being written when its writer lost the lock has a moment to arrive.
        await asyncio.sleep(_GRACE)
        before = await get_last_ticks(bootstrap, topic)
        if partitions < len(before):
            raise typer.BadParameter(f"{topic} has {len(before)} partitions, and they never become fewer")
        if partitions > len(before):
            _refuse_half_told(before)
            await add_partitions(bootstrap, topic, partitions)
        known = [tick.at for tick in before.values() if tick is not None]
        silent = [number for number in range(partitions) if before.get(number) is None]
        if known and silent:
            _refuse_unfinished(silent, max(tick.partitions for tick in before.values() if tick is not None))
            await _tick(bootstrap, topic, Tick(at=min(known), partitions=partitions), silent)
        return len(silent)
    finally:
        await connection.close()


def _refuse_half_told(ticks: dict[int, Tick | None]) -> None:
    # What was told only in part is told again, and by more partitions its facts would go to others than before: into
    # one that has the tick already, behind it.
    if len({tick and tick.at for tick in ticks.values()}) > 1:
        raise StackError("A tick has not reached every partition: start the worker, wait, and run this again.")


def _refuse_unfinished(silent: list[int], old: int) -> None:
    # A tick for an old partition that has none would stand in front of facts that are still to be sent.
    if min(silent) < old:
        raise StackError("The first tick has not reached every partition: start the worker, wait, and run this again.")


async def _locked(database_url: str, lock: int) -> Any:
    """A session that holds the lock. Its holder is ended only when we are next in line."""
    connection, other = await connect(database_url), await connect(database_url)
    waiting = asyncio.create_task(lock_session(connection, lock))
    while not waiting.done():
        await asyncio.sleep(0.2)
        if not waiting.done():
            await other.execute(_LET_GO.format(lock=lock))
    await other.close()
    await waiting
    return connection


async def _tick(bootstrap: str, topic: str, tick: Tick, into: list[int]) -> None:
    producer = Producer(bootstrap)
    await producer.start()
    try:
        await producer.publish_tick_into(topic, tick, into)
    finally:
        await producer.stop()
