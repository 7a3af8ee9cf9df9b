"""B1 and B2: storefront events that wait in Kafka, and how long the workers take until all of them are applied."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import uvloop

from demo.storefront import Doors, Storefront
from deploy.local.names import SERVICES
from deploy.local.processes import Command
from deploy.local.stack import Stack
from shared import topics
from shared.database import connect
from tools.bench import ceilings
from tools.bench.load import Load, tell
from tools.bench.measuring import another_workers, cpu_seconds, own_stack, resident_mib, spent, stop_workers
from tools.output import err

_BEGINS = datetime(2025, 6, 1, tzinfo=UTC)
# As if 30,000 events came in a second, with the four ticks that a live system has in one.
_TICK = timedelta(milliseconds=250)
_EVENTS_PER_TICK = 7_500
_LOOK_EVERY = 0.1
# To ask the kernel what a process shares is walking all its pages: done at every look it took a tenth of the machine,
# and with the database's among them still a fortieth.
_WEIGH_EVERY = 5.0
# One process of each would leave a core idle whenever it waits for the database.
_BUSIEST = ("profile", "segmentation")
_IDENTITIES_AT_ONCE = 20_000


def measure(
    events: int,
    customers: int,
    *,
    known: bool,
    only: str | None = None,
    workers: int = 1,
    active: int | None = None,
) -> dict[str, Any]:
    """`only` one service's worker runs, or all five; of those with the most work so many `workers` each.

    All customers do something, or only so many as are `active`.
    """
    services = (only,) if only else SERVICES
    busiest = [service for service in _BUSIEST if service in services]
    with own_stack() as (stack, _), another_workers(stack, busiest, workers) as others:
        run = _Run(stack, services, Load(customers, active=active), others)
        found = uvloop.run(run.measure(events, customers, known=known))
        return {"workers": dict.fromkeys(services, 1) | dict.fromkeys(busiest, workers), **found}


class _Run:
    def __init__(self, stack: Stack, services: Sequence[str], load: Load, others: Sequence[Command]) -> None:
        self._stack = stack
        self._others = others
        self._services = services
        self._load = load
        self._storefront = Storefront(Doors.of(stack.environment()).bootstrap)
        self._at = _BEGINS
        self._peak: dict[str, int] = {}
        self._weighed = 0.0

    async def measure(self, events: int, customers: int, *, known: bool) -> dict[str, Any]:
        await self._storefront.start()
        await self._tick()
        if known:
            await self._make_known(customers)
        stop_workers(self._stack)
        sample = await self._fill(events)
        found = await self._drain(events)
        await self._storefront.stop()
        with err.status("Measuring the ceilings ..."):
            found["ceilings"] = await ceilings.measure(self._stack.environment(), sample)
        return {"events": events, "customers": customers, "known": known, **found}

    async def _tick(self) -> None:
        await self._storefront.tick(self._at)

    async def _make_known(self, customers: int) -> None:
        with err.status(f"Making {customers:,} customers known ..."):
            people = self._load.identities(self._at)
            while some := list(islice(people, _IDENTITIES_AT_ONCE)):
                await self._storefront.tell(topics.STOREFRONT_IDENTITIES, some)
            self._at += _TICK
            await self._tick()
            await self._wait()

    async def _fill(self, count: int) -> list[bytes]:
        """So many events stand in Kafka, the last tick behind them; some of them as they were sent."""
        with err.status(f"Writing {count:,} events to Kafka ..."):
            sample: list[bytes] = []
            for begun in range(0, count, _EVENTS_PER_TICK):
                told = self._load.events(min(_EVENTS_PER_TICK, count - begun), self._at)
                if len(sample) < ceilings.SAMPLE:
                    sample += ceilings.bodies(told)
                await tell(self._storefront, told)
                self._at += _TICK
                await self._tick()
        return sample

    async def _drain(self, count: int) -> dict[str, Any]:
        self._start_workers()
        with err.status("Applying ..."):
            started = await self._first_commit()
            before = cpu_seconds(self._stack, self._others)
            behind = await self._wait(watched=True)
        ended = time.perf_counter()
        self._weigh()  # however short it was, each has been weighed
        used = spent(before, cpu_seconds(self._stack, self._others))
        per_event = {name: round(seconds / count * 1e6, 1) for name, seconds in used.items()}
        return {
            "seconds": round(ended - started, 2),
            "events_per_second": round(count / (ended - started)),
            "seconds_by_service": {name: round(at - started, 2) for name, at in behind.items()},
            "cpu_seconds": used,
            "cpu_us_per_event": per_event | {"total": round(sum(used.values()) / count * 1e6, 1)},
            "peak_resident_mib": self._peak,
        }

    def _start_workers(self) -> None:
        """Those of one service next to each other, so that they share its partitions from nearly the beginning."""
        for service in self._services:
            self._stack.start(f"{service}-worker")
            for command in self._others:
                if command.name.startswith(f"{service}-"):
                    self._stack.processes.start(command)

    async def _first_commit(self) -> float:
        """When the first batch of events was committed."""
        connection = await self._connect("profile")
        applied = "SELECT sum(applied) FROM inbox"
        before = await connection.fetchval(applied)
        while await connection.fetchval(applied) == before:  # noqa: ASYNC110  (nothing but asking tells)
            await asyncio.sleep(0.01)
        await connection.close()
        return time.perf_counter()

    async def _wait(self, *, watched: bool = False) -> dict[str, float]:
        """Until every service has decided the last tick and told it; when each of them had."""
        connections = {service: await self._connect(service) for service in self._services}
        found: dict[str, float] = {}
        while len(found) < len(connections):
            for service, connection in connections.items():
                if service in found:
                    continue
                # Those who come later listen to this one: while it is not through, they need not be asked.
                if not await connection.fetchval(_IS_THROUGH, self._at):
                    break
                found[service] = time.perf_counter()
            if watched:
                self._watch_memory()
            await asyncio.sleep(_LOOK_EVERY)
        for connection in connections.values():
            await connection.close()
        return found

    def _watch_memory(self) -> None:
        if time.perf_counter() - self._weighed >= _WEIGH_EVERY:
            self._weigh()

    def _weigh(self) -> None:
        self._weighed = time.perf_counter()
        workers = [f"{service}-worker" for service in self._services]
        for name, mib in resident_mib(self._stack, self._others, workers).items():
            self._peak[name] = max(self._peak.get(name, 0), mib)

    async def _connect(self, service: str) -> Any:
        return await connect(self._stack.environment()[f"COMEBACK_{service.upper()}_DATABASE_URL"])


_IS_THROUGH = "SELECT (SELECT at >= $1 FROM clock) AND NOT EXISTS (SELECT FROM outbox)"
