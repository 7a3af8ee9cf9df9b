"""A world goes through a system, one fault an episode; after each the system comes to rest and is looked at."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from demo.storefront import Doors
from deploy.local.names import SERVERS
from deploy.local.stack import Stack
from shared.database import connect
from tests.faults.system.faults import Fault
from tests.faults.system.ground import PROCESSES, Ground, Platform
from tests.faults.system.shop import EPISODE, OPENING, PatientWorld, SteadyShop
from tests.flows.tables import snapshot
from tools.verify import all_checks, rebuilt
from tools.verify.system import look

Tables = dict[str, list[tuple[Any, ...]]]
_REST = 90.0
_PACE = 0.4  # seconds that a day takes at least, so that a fault has something to break


def shop_of(seed: int, episodes: int) -> SteadyShop:
    return SteadyShop(seed, customers=30, days=OPENING + episodes * EPISODE)


class Run:
    """A shop's history on a stack, an episode after the other."""

    def __init__(self, stack: Stack, shop: SteadyShop, seed: int) -> None:
        self.stack = stack
        self.platform = Platform(stack)
        self.episode = 0
        self._shop = shop
        self._seed = seed
        self._world = PatientWorld(Doors.of(stack.environment()), shop)

    @asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """The opening is over when the block begins."""
        async with self.platform.watching(), self._world.open():
            await self._world.begin()
            for day in range(OPENING):
                await self._world.pass_day(day)
            yield

    async def pass_episode(self, fault: Fault | None = None) -> str:
        """Its days, while the fault does what it does; what it did."""
        first = OPENING + self.episode * EPISODE
        dice = random.Random(f"{self._seed}.{self.episode}")
        ground = Ground(self.stack, self.platform, dice, lambda day: self._world.tell_day(first + day))
        self.episode += 1
        days = asyncio.create_task(self._days(ground, first, _PACE if fault else 0))
        befalling = asyncio.create_task(self._befall(ground, fault))
        try:
            done, _ = await asyncio.wait([days, befalling], return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            return befalling.result()
        except BaseException:
            await asyncio.to_thread(self._heal)  # without a broker our own clients could not even be closed
            raise
        finally:
            days.cancel()
            befalling.cancel()
            await asyncio.gather(days, befalling, return_exceptions=True)

    def _heal(self) -> None:
        for name in PROCESSES:
            self.stack.kill(name, signal.SIGCONT)
        for server in SERVERS:
            self.stack.start(server)

    async def _days(self, ground: Ground, first: int, pace: float) -> None:
        for day in range(first, first + EPISODE):
            await ground.released.acquire()
            await asyncio.gather(self._world.pass_day(day), asyncio.sleep(pace))
            ground.passed += 1

    async def _befall(self, ground: Ground, fault: Fault | None) -> str:
        happened = await fault(ground) if fault else "nothing"
        ground.release(EPISODE)
        return happened

    async def at_rest(self) -> Tables:
        """The business tables when nothing moves any more, which `comeback verify` finds in order."""
        async with look(self.stack, wait=_REST, max_age=60, must_be_drained=True) as view:
            assert not view.moving, f"does not come to rest: {view.moving}"
            wrong = [
                f"{check.invariant}, {check.what}: {finding.wrong}"
                for check in all_checks()
                if (finding := await check.run(view)).wrong is not None
            ]
        assert not wrong, "\n".join(wrong)
        tables = await snapshot(self.stack.environment()) | {"parked": await self._parked()}
        # Who tells its campaigns anew gives each one version more, which says the same.
        del tables["targeting.campaign_versions"]
        return tables

    async def rebuilt(self) -> list[str]:
        """What differs from what the log alone makes of it (I6), or cannot be compared with it, at rest."""
        async with look(self.stack, wait=_REST, max_age=60, must_be_drained=True) as view:
            found = [(check.what, await check.run(view)) for check in rebuilt.checks(lambda *_: None)]
        return [f"{what}: {each.wrong or each.skipped}" for what, each in found if each.wrong or each.skipped]

    async def _parked(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for name, url in self.stack.environment().items():
            if name.endswith("_DATABASE_URL"):
                connection = await connect(url)
                found += [tuple(row) for row in await connection.fetch("SELECT topic, reason FROM parked")]
                await connection.close()
        return found


async def undisturbed(stack: Stack, seed: int, episodes: int) -> list[Tables]:
    """The tables after each episode of a world that nothing befalls."""
    run = Run(stack, shop_of(seed, episodes), seed)
    tables: list[Tables] = []
    async with run.playing():
        for _ in range(episodes):
            await run.pass_episode()
            tables.append(await run.at_rest())
    return tables
