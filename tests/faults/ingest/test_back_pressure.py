"""The ingest door while Kafka does not answer: 429 before its memory grows, nothing lost, nothing twice."""

import asyncio
import json
import signal
from collections import Counter

import aiohttp

from shared import topics
from shared.database import connect
from shared.events.codec import decode
from tests.faults.ingest.conftest import MIB, Profile
from tools.bench.reading import read_all


class Flood:
    """Batches of several shapes that keep coming until each has been acknowledged, as an SDK's would."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self.statuses: Counter[int] = Counter()
        self.retry_after: set[str | None] = set()
        self.ids: set[str] = set()
        self._bodies = [self._body(number) for number in range(240)]

    def _body(self, number: int) -> bytes:
        # Sixteen fat events, or 1,500 small ones: what weighs is the bytes of the one and the objects of the other.
        count, ballast = (16, "x" * 29_000) if number % 3 else (1_500, "x" * 40)
        calls = [
            {
                "type": "page",
                "userId": f"flood-{each % 50}",
                "messageId": f"flood-{number}-{each}",
                "properties": {"x": ballast},
            }
            for each in range(count)
        ]
        self.ids |= {call["messageId"] for call in calls}
        return json.dumps({"batch": calls}).encode()

    @property
    def size(self) -> int:
        return sum(map(len, self._bodies))

    async def until_acknowledged(self) -> None:
        timeout, connector = aiohttp.ClientTimeout(total=60), aiohttp.TCPConnector(limit=0)
        headers = self._profile.headers
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            await asyncio.gather(*(self._send(session, body) for body in self._bodies))

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        while True:
            async with session.post(f"{self._profile.doors.urls['profile']}/v1/batch", data=body) as answer:
                await answer.read()
            self.statuses[answer.status] += 1
            if answer.status == 200:
                return
            self.retry_after.add(answer.headers.get("Retry-After"))
            await asyncio.sleep(1)


async def test_while_kafka_stands_still_429_comes_before_memory_grows_and_all_that_was_acknowledged_is_there_once(
    profile: Profile,
) -> None:
    """P1, I15, rows 6 and 7: what is offered is three times what may wait"""
    flood = Flood(profile)
    assert flood.size > 90_000_000
    await profile.is_well()
    async with profile.watched() as grown:
        profile.stack.kill("kafka", signal.SIGSTOP)
        try:
            sending = asyncio.create_task(flood.until_acknowledged())
            await asyncio.sleep(14)
        finally:
            profile.stack.kill("kafka", signal.SIGCONT)
        during = Counter(flood.statuses)
        async with asyncio.timeout(90):
            await sending
    assert during[200] == 0
    assert during[429] > 200, during
    assert during.keys() <= {429, 503}, during
    assert flood.retry_after == {"1"}
    assert flood.statuses[200] == 240
    assert max(grown) < 100 * MIB, f"{max(grown) / MIB:.0f} MiB"
    await check_in_kafka(profile, flood.ids)
    await check_effects(profile, len(flood.ids))


async def check_in_kafka(profile: Profile, ids: set[str]) -> None:
    """Some may be there twice: sent again by us or by the caller."""
    found: set[str] = set()
    async for records in read_all(profile.doors.bootstrap, [topics.STOREFRONT_VISITS]):
        found |= {event.id for event in (decode(record.value) for record in records)}
    assert ids <= found


async def check_effects(profile: Profile, expected: int) -> None:
    """Each messageId is one visit, however often it came."""
    connection = await connect(profile.stack.environment()["COMEBACK_PROFILE_DATABASE_URL"])
    try:
        async with asyncio.timeout(60):
            while (found := await connection.fetchval(_VISITS)) != expected:
                assert found < expected, f"{found} visits of {expected} messages"
                await asyncio.sleep(0.5)
        await asyncio.sleep(2)  # what came twice would come now
        assert await connection.fetchval(_VISITS) == expected
    finally:
        await connection.close()


_VISITS = "SELECT coalesce(sum(visits), 0)::int FROM customers WHERE source_id LIKE 'flood-%'"
