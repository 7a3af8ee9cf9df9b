"""Topics get more partitions while everything runs, and between a failed publication and its repetition
(reliability.md 11)."""

import asyncio
import signal

import asyncpg
import psutil

from shared import topics
from shared.broker import get_last_ticks
from shared.outbox import RELAY_LOCK
from tests.faults.system.ground import Ground
from tools.asking import database_of
from tools.verify.system import TOLD_BY

_RELAY = f"""SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = {RELAY_LOCK}
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_GROWN = (topics.STOREFRONT_ORDERS, topics.PROFILE)


async def _grow(ground: Ground, topic: str, by: int) -> str:
    bootstrap = ground.stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    count = len(await get_last_ticks(bootstrap, topic)) + by
    while not await _may_grow(ground, topic, count):
        # Who had told a tick only in part tells it again.
        ground.stack.kill(f"{TOLD_BY.get(topic, 'profile')}-worker", signal.SIGCONT)
        await asyncio.sleep(1)
    assert len(await get_last_ticks(bootstrap, topic)) == count
    return f"{topic} to {count}"


async def _may_grow(ground: Ground, topic: str, count: int) -> bool:
    try:
        await ground.command("topics", "grow", topic, "--partitions", str(count))
    except AssertionError as refused:
        if "A tick has not reached every partition" not in " ".join(str(refused).split()):
            raise
        return False
    return True


async def topics_grown(ground: Ground) -> str:
    ground.release(3)
    await asyncio.sleep(ground.a_moment())
    starts = ground.platform.starts["profile-worker"]
    grown = [
        await _grow(ground, each, ground.dice.choice([1, 2])) for each in (topics.STOREFRONT_ORDERS, topics.PROFILE)
    ]
    await ground.until(
        lambda: ground.platform.starts["profile-worker"] > starts, "profile's relay ends and counts anew"
    )
    await ground.until_passed(2)
    return f"grew {' and '.join(grown)}"


async def grown_before_repetition(ground: Ground) -> str:
    """What could not be published goes out by the old count, after the topic has grown and behind its new ticks."""
    topic = ground.dice.choice(sorted(TOLD_BY))
    worker = f"{TOLD_BY[topic]}-worker"
    ground.release(1)
    await ground.until_passed(1)
    since, starts = ground.log_size(worker), ground.platform.starts[worker]
    await _publish_in_vain(ground, topic, since)
    ground.stack.kill(worker, signal.SIGSTOP)
    await asyncio.to_thread(ground.stack.start, "kafka")
    grown = await _grow(ground, topic, 1)
    ground.stack.kill(worker, signal.SIGCONT)
    await ground.until(lambda: ground.platform.starts[worker] > starts, "the relay finds its lock lost")
    assert "RelayLost" in ground.log_of(worker, since), "it ended of something else than its repetition"
    await ground.until_passed(2)
    return f"grew {grown} while {worker} had not published what it had"


async def _publish_in_vain(ground: Ground, topic: str, since: int) -> None:
    """The relay's publication fails: it has something to publish, and there is no broker."""
    service = TOLD_BY[topic]
    connection = await asyncpg.connect(database_of(ground.stack, service))
    try:
        # Nothing else lets its outbox fill: what holds up the relay is the server's half of its session.
        backend = psutil.Process(await connection.fetchval(_RELAY))
        backend.suspend()
        try:
            ground.release(2)
            async with asyncio.timeout(30):
                while not await connection.fetchval("SELECT count(*) FROM outbox"):
                    await asyncio.sleep(0.01)
            ground.stack.kill("kafka")
        finally:
            backend.resume()
    finally:
        await connection.close()
    # An idempotent producer of aiokafka never gives a batch up: it fails and is repeated inside the client.
    await ground.until(lambda: "Unable connect to node" in ground.log_of(f"{service}-worker", since), "it fails")
    await asyncio.sleep(ground.a_moment())
