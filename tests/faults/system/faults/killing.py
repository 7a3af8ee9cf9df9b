"""Processes that end by SIGKILL: at a failpoint, or at any instant (reliability.md 1, 2, 3)."""

import asyncio
import signal
from functools import partial

from tests.faults.system.ground import PROCESSES, WORKERS, Ground


async def _killed_at(place: str, ground: Ground) -> str:
    # Metrics tells nothing, so nothing kills it between publication and deletion.
    names = [name for name in WORKERS if place != "after_publish" or name != "metrics-worker"]
    before = dict(ground.platform.starts)
    for name in names:
        ground.platform.armed[name] = f"{place}:{ground.dice.choice([1, 1, 0.9])}"
        ground.stack.kill(name)
    ground.release(4)

    def died_again() -> bool:
        return all(ground.platform.starts[name] - before.get(name, 0) >= 2 for name in names)

    await ground.until(died_again, f"every worker dies {place}, started before: {before}")
    return f"{len(names)} workers died {place}"


killed_in_a_batch = partial(_killed_at, "in_batch")
killed_after_commit = partial(_killed_at, "after_db_commit")
killed_before_outbox_delete = partial(_killed_at, "after_publish")
killed_in_the_clock = partial(_killed_at, "in_clock")


async def killed_at_random(ground: Ground) -> str:
    """HTTP processes and workers, while they are at work and while they start."""
    ground.release(3)
    killed: list[str] = []
    for _ in range(ground.dice.randrange(5, 9)):
        await asyncio.sleep(ground.a_moment(1.5))
        name = ground.dice.choice(PROCESSES)
        if ground.stack.processes.find(name) is not None:
            ground.stack.kill(name, signal.SIGKILL)
            killed.append(name)
    await ground.until(lambda: len(killed) > 2, "some were there to be killed", 0)
    return f"killed {', '.join(killed)}"
