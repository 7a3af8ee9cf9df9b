"""The second half of an import: what was put aside goes into the storefront's topic, person by person.

Events keep history's own time, which the HTTP door would move to at most 30 days ago. All of a person's events go in
one record batch where they fit, so that no tick comes between: a half-told customer could fall silent who did not.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

import httpx

from shared import topics
from shared.events import Tick
from shared.kafka import Producer
from tools.importing.journal import Journal
from tools.importing.staging import Staging, Told

# Less than a producer's record batch; headers and lengths come to about so many bytes a record.
_TOGETHER = 200_000
_OVERHEAD = 120
_PATIENCE = 180.0
_LOOK = 0.2

# Told after each acknowledgement: how many rows more.
Show = Callable[[int], None]


class ClockStands(Exception):
    """Everything was told, but the services' clock does not go on."""


async def tell(bootstrap: str, topic: str, staging: Staging, journal: Journal, show: Show) -> None:
    """Returns when the broker has acknowledged everything behind the journal's place."""
    producer = Producer(bootstrap)
    await producer.start()
    try:
        for together in bundles(staging, journal.person):
            messages = [(told.person, body) for told in together for body in told.bodies]
            await producer.publish(topic, messages)
            journal.note(together[-1].person, len(together))
            show(len(together))
    finally:
        await producer.stop()


def bundles(staging: Staging, after: str | None) -> Iterator[list[Told]]:
    """Whole people, as many as fit."""
    bundle: list[Told] = []
    size = 0
    for of_one in staging.in_turn(after):
        more = sum(_OVERHEAD + len(told.person) + len(body) for told in of_one for body in told.bodies)
        if bundle and size + more > _TOGETHER:
            yield bundle
            bundle, size = [], 0
        bundle += of_one
        size += more
    if bundle:
        yield bundle


async def pass_to(bootstrap: str, at: datetime) -> None:
    """Where a replay makes time pass: it is `at` now, behind all that was told."""
    producer = Producer(bootstrap)
    await producer.start()
    try:
        for topic in topics.STOREFRONT:
            await producer.publish(topic, [], Tick(at=at, partitions=await producer.count_partitions(topic)))
    finally:
        await producer.stop()


async def clock_of(url: str, key: str) -> datetime:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
        return datetime.fromisoformat((await http.get(f"{url}/v1/clock")).raise_for_status().json()["at"])


async def wait_until_decided(url: str, key: str, at: datetime) -> None:
    """Until this service's clock is at `at`: it stands behind all the others and has then heard everything told before.

    Raises ClockStands when it does not move for minutes."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        moved, loop = None, asyncio.get_running_loop()
        since = loop.time()
        while True:
            clock = datetime.fromisoformat((await http.get(f"{url}/v1/clock")).raise_for_status().json()["at"])
            if clock >= at:
                return
            if clock != moved:
                moved, since = clock, loop.time()
            elif loop.time() - since > _PATIENCE:
                raise ClockStands(f"the clock stands at {clock.isoformat()}")
            await asyncio.sleep(_LOOK)
