"""Who calls the ingest door while it is measured: a process of its own, so that its share can be told apart.

`python -m tools.bench.calling URL KEY CALLS CALLERS` makes that many batches beforehand, sends them on as many
connections as there are callers, and prints what came of it as JSON.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import msgspec
import uvloop

from shared.clock import wall
from shared.events import Event
from shared.events.storefront import Order, StorefrontOrderCompleted
from tools.bench.load import BATCH, Load

_CUSTOMERS = 200_000
_encode = msgspec.json.Encoder().encode
# As a server's SDK sends it: most of this is nothing to us, and has to be read all the same.
_CONTEXT = {"library": {"name": "analytics-python", "version": "2.3.4"}, "ip": "203.0.113.9", "locale": "en-US"}


@dataclass
class Found:
    """Milliseconds from sending a batch to its answer, each in `waited_ms`."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    waited_ms: list[float] = field(default_factory=list)


def batches(count: int, at: datetime) -> Iterator[bytes]:
    """Batches of 100 calls each, every call with a messageId of its own."""
    load = Load(_CUSTOMERS)
    for _ in range(count):
        calls = [_call(name, event) for told in load.events(BATCH, at).values() for name, event in told]
        yield _encode({"batch": calls, "sentAt": at.isoformat(), "context": _CONTEXT})


def _call(name: str, event: Event) -> dict[str, Any]:
    shared = {"type": "track", "userId": name, "messageId": event.id, "timestamp": event.time.isoformat()}
    if isinstance(event, StorefrontOrderCompleted):
        told, properties = "Order Completed", _basket(event.data)
    else:
        told, properties = "Product Viewed", {"sku": "G-32", "name": "Monopoly", "price": 18.99, "quantity": 1}
    return shared | {"event": told, "properties": properties, "context": _CONTEXT, "integrations": {}}


def _basket(order: Order) -> dict[str, Any]:
    product = {"product_id": "507f1f77", "sku": "G-32", "name": "Monopoly", "price": 18.99, "quantity": 2}
    return {
        "order_id": order.order_id,
        "total": order.total / 100,
        "currency": order.currency,
        "shop_id": order.shop_id,
        "products": [product, product],
    }


async def call(url: str, key: str, bodies: list[bytes], callers: int) -> Found:
    """All of them sent once; every caller waits for its answer before it sends the next."""
    found, left = Found(), iter(bodies)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    started, used = time.perf_counter(), _cpu()
    async with aiohttp.ClientSession(headers=headers) as session:

        async def one() -> None:
            for body in left:
                begun = time.perf_counter()
                async with session.post(f"{url}/v1/batch", data=body) as answer:
                    await answer.read()
                found.waited_ms.append((time.perf_counter() - begun) * 1000)
                found.statuses[answer.status] = found.statuses.get(answer.status, 0) + 1

        await asyncio.gather(*(one() for _ in range(callers)))
    found.seconds, found.cpu_seconds = time.perf_counter() - started, _cpu() - used
    return found


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(url: str, key: str, calls: str, callers: str) -> None:
    bodies = list(batches(int(calls), wall()))
    print(json.dumps(asdict(uvloop.run(call(url, key, bodies, int(callers))))))


if __name__ == "__main__":
    main(*sys.argv[1:])
