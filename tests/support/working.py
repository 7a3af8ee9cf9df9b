"""Profile's worker in this process, on a real Kafka and PostgreSQL: what is sent, when it is done, what must hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.profile.actions import tell_profiles
from services.profile.consumers import consumers
from services.profile.timers import on_tick
from shared import topics
from shared.broker import create_topics
from shared.consuming import Consumers, Handler
from shared.database import Database, execute
from shared.events import Tick
from shared.events.codec import encode
from shared.events.storefront import Order, Person, StorefrontOrderCompleted
from shared.kafka import Producer
from shared.worker import Wiring, Worker
from tests.support.doing import IDS, rows

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def order(number: int, total: int = 100, **person: str) -> bytes:
    """A paid order; without a person it is one that profile refuses."""
    data = Order(person=Person(**person), shop_id="s", order_id=f"o{number}", total=total, currency="USD")
    at = T0 + timedelta(minutes=number)
    return encode(StorefrontOrderCompleted(id=f"e{number}", source="shop", time=at, data=data))


@dataclass
class Running:
    database: Database
    producer: Producer
    wiring: Wiring

    async def send(self, *bodies: bytes, topic: str = topics.STOREFRONT_ORDERS, key: str = "key") -> None:
        await self.producer.publish(topic, [(key, body) for body in bodies])

    async def tick(self, at: datetime) -> None:
        for topic in topics.STOREFRONT:
            await self.producer.publish(topic, [], Tick(at=at, partitions=await self.producer.count_partitions(topic)))

    @asynccontextmanager
    async def working(self, workers: int = 1) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(Worker(self.wiring).run()) for _ in range(workers)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def paid_orders_go_to(self, handler: Handler) -> None:
        """Profile with another handler of paid orders."""
        listening = Consumers(clocked=consumers.clocked, skips_ticks=True)
        listening.on(StorefrontOrderCompleted)(handler)
        listening.after_batch(tell_profiles)
        self.wiring = replace(self.wiring, consumers=listening)

    async def until(self, at: datetime) -> None:
        async with asyncio.timeout(60):
            while (await rows(self.database, "SELECT at FROM clock"))[0]["at"] < at:
                await asyncio.sleep(0.05)

    async def orders(self) -> int:
        return (await rows(self.database, "SELECT coalesce(sum(orders), 0)::int AS n FROM customers"))[0]["n"]

    async def check_positions(self) -> None:
        """I1"""
        for row in await rows(self.database, "SELECT * FROM inbox"):
            assert row["first_offset"] + row["applied"] + row["parked"] + row["ticks"] == row["next_offset"], row


@asynccontextmanager
async def running_on(bootstrap: str, database: Database) -> AsyncIterator[Running]:
    """On a fresh database; topics begin where the tests before have ended."""
    await create_topics(bootstrap, 2)
    producer = Producer(bootstrap)
    await producer.start()
    wiring = Wiring("profile", bootstrap, database, consumers, on_tick, tells=True, info={"ids": IDS})
    await _begin_at_the_end(database, wiring)
    yield Running(database, producer, wiring)
    await producer.stop()


async def _begin_at_the_end(database: Database, wiring: Wiring) -> None:
    worker = Worker(wiring)
    bounds: dict[Any, Any] = {}

    async def remember(partitions: Any) -> None:
        bounds.update(await worker._consumer.bounds(partitions))  # pyright: ignore

    worker.assigned = remember  # pyright: ignore
    task = asyncio.create_task(worker.run())
    while len(bounds) < 6:
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.transaction() as session:
        for (topic, number), (_, last) in bounds.items():
            await execute(session, "INSERT INTO inbox VALUES ($1, $2, $3, $3)", topic, number, last)
