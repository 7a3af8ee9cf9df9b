"""What this machine can do at most, right now: decode, consume and upsert, each with nothing around it."""

import time
from collections.abc import Mapping
from typing import Any

from shared import topics
from shared.database import connect
from shared.events import Event
from shared.events.codec import decode, encode
from tools.bench.reading import read_all

SAMPLE = 50_000
_ROWS = 5_000
_ROUNDS = 20


def bodies(events: dict[str, list[tuple[str, Event]]]) -> list[bytes]:
    return [encode(event) for told in events.values() for _, event in told]


async def measure(environment: Mapping[str, str], sample: list[bytes]) -> dict[str, int]:
    """Each as a number a second, on one core with its server beside it."""
    return {
        "decode_per_second": _decode(sample),
        "consume_per_second": await _consume(environment["COMEBACK_KAFKA_BOOTSTRAP"]),
        "upsert_rows_per_second": await _upsert(environment["COMEBACK_PROFILE_DATABASE_URL"]),
    }


def _decode(sample: list[bytes]) -> int:
    started = time.perf_counter()
    for body in sample:
        decode(body)
    return round(len(sample) / (time.perf_counter() - started))


async def _consume(bootstrap: str) -> int:
    started, found = time.perf_counter(), 0
    async for records in read_all(bootstrap, [topics.STOREFRONT_VISITS]):
        found += len(records)
    return round(found / (time.perf_counter() - started))


async def _upsert(url: str) -> int:
    """Rows of a key and two numbers, half of them there already."""
    connection: Any = await connect(url)
    await connection.execute("CREATE TEMPORARY TABLE ceiling (key text PRIMARY KEY, one bigint, two bigint)")
    started = time.perf_counter()
    for number in range(_ROUNDS):
        first = number * _ROWS // 2
        keys = [f"customer-{first + each:09}" for each in range(_ROWS)]
        await connection.execute(_UPSERT, keys, list(range(_ROWS)))
    seconds = time.perf_counter() - started
    await connection.close()
    return round(_ROUNDS * _ROWS / seconds)


_UPSERT = """INSERT INTO ceiling AS c SELECT key, one, one FROM unnest($1::text[], $2::bigint[]) AS n(key, one)
             ON CONFLICT (key) DO UPDATE SET one = c.one + excluded.one, two = excluded.two"""
