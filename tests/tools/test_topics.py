"""`comeback topics grow`: more partitions while the clock goes on, and nobody runs ahead."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.errors import StackError
from deploy.local.stack import Stack
from services.profile.actions import tell_profiles
from services.profile.consumers import on_storefront_order_completed
from shared.broker import get_last_ticks
from shared.consuming import Consumers
from shared.database import connect, lock_session
from shared.events import Tick
from shared.events.storefront import StorefrontOrderCompleted
from shared.kafka import Producer
from shared.outbox import RELAY_LOCK
from shared.ticker import TICKER_LOCK
from shared.worker import Wiring
from tests.conftest import FreshDatabase
from tests.shared.test_worker import Running, order
from tests.support.doing import IDS, rows
from tools.topics import grow_topic

T1 = datetime(2026, 1, 2, tzinfo=UTC)
T2 = T1 + timedelta(days=1)


@dataclass
class Shop:
    """A worker's world with one topic of its own."""

    running: Running
    bootstrap: str
    topic: str

    async def sell(self, start: int, stop: int) -> None:
        messages = [(f"c{number}", order(number, source_id=f"c{number}")) for number in range(start, stop)]
        await self.running.producer.publish(self.topic, messages)

    async def tick(self, at: datetime, partitions: int, into: list[int] | None = None) -> None:
        tick = Tick(at=at, partitions=partitions)
        await self.running.producer.publish_tick_into(self.topic, tick, into or list(range(partitions)))

    async def grow(self, partitions: int) -> int:
        return await grow_topic(self.bootstrap, self.running.database.url, TICKER_LOCK, self.topic, partitions)

    async def clock(self) -> datetime:
        return (await rows(self.running.database, "SELECT at FROM clock"))[0]["at"]


@pytest.fixture
async def shop(servers: Stack, fresh_database: FreshDatabase) -> AsyncIterator[Shop]:
    bootstrap = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    topic = f"growing-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    await admin.close()
    database = await fresh_database("profile")
    producer = Producer(bootstrap)
    await producer.start()
    consumers = Consumers(clocked=[topic])
    consumers.on(StorefrontOrderCompleted)(on_storefront_order_completed)
    consumers.after_batch(tell_profiles)

    async def decide(*_: object) -> bool:
        return True

    wiring = Wiring(f"profile-{topic}", bootstrap, database, consumers, decide, tells=False, info={"ids": IDS})
    wiring = replace(wiring, service="profile")
    yield Shop(Running(database, producer, wiring), bootstrap, topic)
    await producer.stop()


async def test_a_topic_does_not_grow_while_a_tick_is_told_only_in_part(shop: Shop) -> None:
    """Row 11: told again, by more partitions, its facts could come to stand behind a tick that is there already"""
    await shop.tick(T1, 2)
    await shop.tick(T2, 2, into=[0])
    with pytest.raises(StackError, match="has not reached every partition"):
        await shop.grow(4)
    assert len(await get_last_ticks(shop.bootstrap, shop.topic)) == 2
    await shop.tick(T2, 2, into=[1])
    assert await shop.grow(4) == 2


async def test_a_topic_grows_and_everything_after_it_is_applied_once(shop: Shop) -> None:
    """Row 11; I1, I7"""
    await shop.sell(0, 50)
    await shop.tick(T1, 2)
    async with shop.running.working():
        await shop.running.until(T1)
    assert await shop.grow(4) == 2
    ticks = await get_last_ticks(shop.bootstrap, shop.topic)
    assert {number: tick and tick.at for number, tick in ticks.items()} == dict.fromkeys(range(4), T1)
    producer = Producer(shop.bootstrap)
    await producer.start()
    shop.running.producer = producer
    await shop.sell(50, 200)
    await shop.tick(T2, 4, into=[0, 1])
    async with shop.running.working():
        async with asyncio.timeout(20):
            while await shop.running.orders() < 150:
                await asyncio.sleep(0.05)
        assert await shop.clock() == T1, "the new partitions have not ticked"
        await shop.tick(T2, 4, into=[2, 3])
        await shop.running.until(T2)
    await producer.stop()
    assert await shop.running.orders() == 200
    await shop.running.check_positions()


async def test_growing_can_be_done_again_and_changes_nothing(shop: Shop) -> None:
    await shop.tick(T1, 2)
    assert await shop.grow(3) == 1
    before = await get_last_ticks(shop.bootstrap, shop.topic)
    assert await shop.grow(3) == 0
    assert await get_last_ticks(shop.bootstrap, shop.topic) == before


async def test_whoever_ticks_into_a_topic_lets_go_before_it_grows(shop: Shop) -> None:
    holder = await connect(shop.running.database.url)
    bystander = await connect(shop.running.database.url)
    await lock_session(holder, TICKER_LOCK)
    await lock_session(bystander, RELAY_LOCK)
    await shop.tick(T1, 2)
    assert await shop.grow(3) == 1
    await asyncio.sleep(0.1)
    assert holder.is_closed()
    assert not bystander.is_closed()
    await bystander.close()
