"""Workers killed at the worst instants while a history goes through them: nothing is lost, nothing is double."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from demo.storefront import SERVICES, Doors
from deploy.local.stack import Stack
from tests.flows.conftest import MakeSystem
from tests.flows.tables import differences, snapshot
from tests.flows.world import Shop, World

FAILPOINTS = ("in_batch", "after_db_commit", "after_publish", "in_clock")


async def play(stack: Stack) -> dict[str, list[tuple[object, ...]]]:
    environment = stack.environment()
    await World(Doors.of(environment), Shop(seed=7, customers=30, days=60)).play()
    return await _when_nothing_moves(environment)


async def _when_nothing_moves(environment: dict[str, str]) -> dict[str, list[tuple[object, ...]]]:
    """What coupons tells targeting travels behind the clock, so the last of it may still be on its way."""
    before, after = None, await snapshot(environment)
    while before != after:
        await asyncio.sleep(2)
        before, after = after, await snapshot(environment)
    return after


@asynccontextmanager
async def dying_workers(stack: Stack, deaths: dict[str, int]) -> AsyncIterator[None]:
    """Every worker is killed at each failpoint in turn, and started again, until the block ends."""
    dice = random.Random(3)
    stopping = asyncio.Event()

    def arm(name: str, death: int) -> None:
        # After a round of all failpoints it is left alone, so that the run comes to an end.
        # Metrics tells nothing, so nothing kills it between publication and deletion.
        places = [each for each in FAILPOINTS if each != "after_publish" or name != "metrics-worker"]
        armed = death < len(places)
        os.environ["COMEBACK_FAILPOINT"] = f"{places[death]}:{dice.uniform(0.05, 0.3)}" if armed else ""
        stack.start(name)
        os.environ.pop("COMEBACK_FAILPOINT")

    async def watch() -> None:
        while not stopping.is_set():
            for name in deaths:
                if stack.processes.find(name) is None:
                    deaths[name] += 1
                    arm(name, deaths[name])
            await asyncio.sleep(0.1)

    for name in deaths:
        stack.kill(name)
    watching = asyncio.create_task(watch())
    yield
    stopping.set()
    await watching


async def test_workers_killed_in_the_middle_lose_nothing_and_do_nothing_twice(make_system: MakeSystem) -> None:
    """P1, P5: batch, commit, publication and clock of every consumer cut off, and the tables end the same."""
    undisturbed = await asyncio.to_thread(make_system)
    expected = await play(undisturbed)
    undisturbed.down()
    assert expected["coupons.redemptions"]
    assert expected["targeting.decisions"]
    disturbed = await asyncio.to_thread(make_system)
    deaths = dict.fromkeys((f"{service}-worker" for service in SERVICES), -1)
    async with dying_workers(disturbed, deaths):
        found = await play(disturbed)
    assert all(number >= 3 for number in deaths.values()), f"too few died to prove anything: {deaths}"
    found_differences = differences(expected, found)
    assert not found_differences, "\n".join(found_differences)
