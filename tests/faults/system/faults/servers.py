"""Kafka and PostgreSQL end by SIGKILL and come back (reliability.md 6, 12)."""

import asyncio
import contextlib

import psutil

from tests.faults.system.ground import Ground


async def broker_killed(ground: Ground) -> str:
    ground.release(3)
    await asyncio.sleep(ground.a_moment(1.5))
    ground.stack.kill("kafka")
    gone = ground.dice.uniform(0, 4)
    await asyncio.sleep(gone)
    assert ground.stack.processes.find("kafka") is None
    await asyncio.to_thread(ground.stack.start, "kafka")
    await ground.until_passed(2)
    return f"Kafka was gone for {gone:.1f} s and its start"


async def postgres_killed(ground: Ground) -> str:
    """The server and all that it has forked, as when the machine loses its power."""
    ground.release(3)
    killed = 0
    for passed in (1, 2):
        await asyncio.sleep(ground.a_moment(1.5))
        killed += _kill_with_children(ground)
        await asyncio.sleep(ground.dice.uniform(0, 2))
        assert ground.stack.processes.find("postgres") is None
        await asyncio.to_thread(ground.stack.start, "postgres")
        await ground.until_passed(passed)
    return f"PostgreSQL died twice, {killed} processes of it"


def _kill_with_children(ground: Ground) -> int:
    server = ground.stack.processes.find("postgres")
    assert server is not None
    family = [server, *server.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(family[1:], timeout=5)
    return len(family)
