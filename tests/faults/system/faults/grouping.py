"""Workers that share a service: zombies, rebalances, a group that is deleted (reliability.md 4, 8, 10)."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from deploy.local.names import SERVICES
from tests.faults.system.ground import SESSION, WORKERS, Ground
from tools.asking import database_of

_ASSIGNED = "partitions.assigned"
_BUSINESS_TABLES = """SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN
                      ('inbox', 'outbox', 'clock', 'parked', 'api_keys', 'idempotency_keys', 'alembic_version')"""
_WAITING = "SELECT pid, backend_xid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))"
_DAYS = 5


def _assignments(ground: Ground, name: str) -> int:
    return ground.log_of(name).count(_ASSIGNED)


async def zombie(ground: Ground) -> str:
    """Stopped for longer than its session, while another one takes over; then it goes on where it was."""
    names = ground.dice.sample(WORKERS, 2)
    others = {name: ground.platform.add(name, 2) for name in names}
    await ground.until(lambda: all(_assignments(ground, each) for each in others.values()), "the others have joined")
    ground.release(3)
    await asyncio.sleep(ground.a_moment(0.6))
    before = {other: _assignments(ground, other) for other in others.values()}
    for name in names:
        ground.stack.kill(name, signal.SIGSTOP)
    await asyncio.sleep(SESSION + 1 + ground.a_moment())
    await ground.until(
        lambda: all(_assignments(ground, other) > before[other] for other in others.values()),
        "the others take over what the stopped ones had",
    )
    back = {name: _assignments(ground, name) for name in names}
    for name in names:
        ground.stack.kill(name, signal.SIGCONT)
    # It comes back to its group, or ends because its relay has lost its lock and is started again.
    await ground.until(lambda: all(_assignments(ground, name) > back[name] for name in names), "zombies come back")
    await ground.platform.stop(*others.values())
    overtaken = sum(ground.log_of(name).count("worker.overtaken") for name in names)
    return f"{' and '.join(names)} were zombies; overtaken {overtaken} times so far"


async def zombie_in_a_batch(ground: Ground) -> str:
    """Stopped before the first statement of a batch, which another one applies meanwhile: its own must be undone."""
    name = ground.dice.choice(WORKERS)
    ground.release(1)
    await ground.until_passed(1)
    since = ground.log_size(name)
    async with _held_batch(ground, name):
        ground.stack.kill(name, signal.SIGSTOP)
        other = ground.platform.add(name, 2)
        await ground.until(lambda: _assignments(ground, other) > 0, "the other takes over")
        await ground.until(lambda: "batch.applied" in ground.log_of(other), "the other applies what was held")
    ground.stack.kill(name, signal.SIGCONT)
    await ground.until(lambda: "worker.overtaken" in ground.log_of(name, since), "the zombie is overtaken")
    await ground.platform.stop(other)
    return f"{name} was a zombie in the middle of a batch, and was overtaken"


@asynccontextmanager
async def _held_batch(ground: Ground, worker: str) -> AsyncIterator[None]:
    """The worker's next batch has begun and holds no row; at the end of the block its first statement is run."""
    connection = await asyncpg.connect(database_of(ground.stack, worker.removesuffix("-worker")))
    held: list[psutil.Process] = []
    try:
        for _ in range(_DAYS):
            held = await _hold(ground, connection)
            if held:
                break
        assert held, f"{worker} had nothing but ticks on {_DAYS} days"
        yield
    finally:
        for backend in held:
            backend.resume()
        await connection.close()


async def _hold(ground: Ground, connection: Any) -> list[psutil.Process]:
    """The server's half of the next batch as well, or it would run the statement, and the other one would have to wait
    for its rows. Nothing, and the day passes, if it has rows already: a batch of ticks moves its positions at once.
    """
    async with connection.transaction():
        tables = [row["tablename"] for row in await connection.fetch(_BUSINESS_TABLES)]
        await connection.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
        ground.release(1)
        async with asyncio.timeout(30):
            while not (waiting := await connection.fetch(_WAITING)):
                await asyncio.sleep(0.02)
                # A transaction sees everybody else's as they were when it first asked.
                await connection.execute("SELECT pg_stat_clear_snapshot()")
        if any(row["backend_xid"] is not None for row in waiting):
            return []
        held = [psutil.Process(row["pid"]) for row in waiting]
        for backend in held:
            backend.suspend()
        return held


async def workers_added_and_removed(ground: Ground) -> str:
    """A second and a third one come and go, asked or killed, while there is work."""
    names = ground.dice.sample(WORKERS, 2)
    added = [ground.platform.add(name, number) for name in names for number in (2, 3)]
    ground.release(1)
    await ground.until(lambda: all(_assignments(ground, each) for each in added), "each new one was given a share")
    ground.release(2)
    await asyncio.sleep(ground.a_moment())
    ground.stack.processes.kill(added[0], signal.SIGKILL)
    ground.stack.kill(names[1])
    await ground.platform.stop(added[1])
    await asyncio.sleep(ground.a_moment())
    await ground.platform.stop(*added)
    return f"{', '.join(added)} came and went, {added[0]} and {names[1]} killed"


async def group_deleted(ground: Ground) -> str:
    """What Kafka knew of positions is gone; ours are in the databases."""
    ground.release(1)
    await asyncio.sleep(ground.a_moment())
    await ground.platform.stop(*WORKERS)
    deleted = await _delete_groups(ground.stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"], list(SERVICES))
    ground.release(1)
    ground.platform.down.clear()
    return f"deleted the groups {', '.join(deleted)}"


async def _delete_groups(bootstrap: str, groups: list[str]) -> list[str]:
    """Once nobody belongs to them any more: those that were killed do until their session ends."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        left = set(groups)
        async with asyncio.timeout(30):
            while left:
                for group in sorted(left):
                    coordinator = await admin.find_coordinator(group)
                    answer: Any = await admin._send_request(DeleteGroupsRequest([group]), coordinator)
                    # 69: the group is not there (any more).
                    left -= {name for name, code in answer.results if code in (0, 69)}
                await asyncio.sleep(0.2)
        remaining = {name for name, *_ in await admin.list_consumer_groups()}
    finally:
        await admin.close()
    assert not remaining & set(groups), f"Kafka still knows {remaining}"
    return groups
