"""A storefront's two doors to Comeback: its Kafka topics, and the HTTP APIs. Used by the replay and the simulation."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import aiohttp

from demo.history import Basket, instant
from shared import topics
from shared.clock import BEGINNING
from shared.events import ClockTicked, Event, Tick
from shared.events.codec import decode, encode
from shared.events.coupons import CouponIssued
from shared.events.storefront import (
    Identification,
    Order,
    Person,
    StorefrontCustomerIdentified,
    StorefrontOrderCompleted,
)
from shared.inbox import Partition
from shared.kafka import Consumer, Producer

SERVICES = ("profile", "segmentation", "targeting", "coupons", "metrics")
_SOURCE = "demo/complete-journey"
_PATIENCE = 120

# `(key, body)` pairs, ready to be sent.
Messages = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where Comeback listens."""

    bootstrap: str
    api_key: str
    urls: dict[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """From the variables that `comeback stack env` prints."""
        urls = {name: environment[f"COMEBACK_{name.upper()}_URL"] for name in SERVICES}
        return cls(environment["COMEBACK_KAFKA_BOOTSTRAP"], environment["COMEBACK_API_KEY"], urls)


class Refused(Exception):
    """Comeback answered a request of the storefront with an error."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Http:
    """The HTTP APIs of the five services with one key."""

    def __init__(self, doors: Doors) -> None:
        headers = {"Authorization": f"Bearer {doors.api_key}"}
        self._urls = doors.urls
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60))

    async def get(self, service: str, path: str, **params: Any) -> Any:
        async with self._session.get(self._urls[service] + path, params=params) as response:
            return await self._read(response)

    async def post(self, service: str, path: str, body: Any, key: str) -> Any:
        """`key` makes it repeatable: the same key and body, the same answer."""
        headers = {"Idempotency-Key": key}
        async with self._session.post(self._urls[service] + path, json=body, headers=headers) as response:
            return await self._read(response)

    @staticmethod
    async def _read(response: aiohttp.ClientResponse) -> Any:
        if not response.ok:
            raise Refused(
                response.status, f"{response.method} {response.url}: {response.status} {await response.text()}"
            )
        return await response.json()

    async def pages(self, service: str, path: str, **params: Any) -> list[Any]:
        """All pages of a list."""
        page = await self.get(service, path, limit=200, **params)
        found: list[Any] = page["data"]
        while page["has_more"]:
            page = await self.get(service, path, limit=200, cursor=page["next_cursor"], **params)
            found += page["data"]
        return found

    async def close(self) -> None:
        await self._session.close()


class Coupons:
    """Listens to coupons-events: which code each (campaign, customer) was given, and how far coupons' clock is."""

    def __init__(self, bootstrap: str, group: str = "demo-storefront") -> None:
        self._consumer = Consumer(bootstrap, group, [topics.COUPONS], self)
        self._ticks: dict[Partition, datetime] = {}
        # As many as the ticks speak of: those that the topic has grown by may hold codes, and are found a little later.
        self._partitions = 1
        self._moved = asyncio.Condition()
        self.codes: dict[tuple[str, str], str] = {}

    async def assigned(self, partitions: list[Partition]) -> None:
        for partition, (first, _) in (await self._consumer.bounds(partitions)).items():
            self._ticks[partition] = BEGINNING
            self._consumer.seek(partition, first)

    async def revoked(self) -> None:
        self._ticks.clear()

    async def listen(self) -> None:
        """Until cancelled."""
        await self._consumer.start()
        try:
            while True:
                for partition, records in (await self._consumer.poll(1000)).items():
                    for record in records:
                        self._hear(partition, decode(record.value))
                async with self._moved:
                    self._moved.notify_all()
        finally:
            await self._consumer.stop()

    def _hear(self, partition: Partition, event: Any) -> None:
        if isinstance(event, ClockTicked):
            self._ticks[partition] = max(self._ticks[partition], event.data.at)
            self._partitions = max(self._partitions, event.data.partitions)
        elif isinstance(event, CouponIssued):
            self.codes[event.data.campaign_id, event.data.customer_id] = event.data.code

    async def wait_for(self, at: datetime) -> None:
        """Until coupons has decided `at`: its tick stands behind everything that it told before."""
        async with asyncio.timeout(_PATIENCE), self._moved:
            await self._moved.wait_for(lambda: self._has_seen(at))

    def _has_seen(self, at: datetime) -> bool:
        return len(self._ticks) >= self._partitions and min(self._ticks.values()) >= at


class Storefront:
    """What the shop tells: who its customers are, their orders, and that time passes."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(bootstrap)
        # Nobody grows the topics of a demo, so their partitions are counted once.
        self._partitions: dict[str, int] = {}

    async def start(self) -> None:
        await self._producer.start()

    async def stop(self) -> None:
        await self._producer.stop()

    async def tick(self, at: datetime, orders: Messages | None = None) -> None:
        """Time has come this far; these orders happened before."""
        told = {topics.STOREFRONT_ORDERS: orders or []}
        await asyncio.gather(*(self._tick(topic, at, told.get(topic, [])) for topic in topics.STOREFRONT))

    async def _tick(self, topic: str, at: datetime, messages: Messages) -> None:
        if topic not in self._partitions:
            self._partitions[topic] = await self._producer.count_partitions(topic)
        count = self._partitions[topic]
        await self._producer.publish(topic, messages, Tick(at=at, partitions=count), partitions=count)

    async def identify(self, households: Iterable[str], at: datetime) -> None:
        await self.tell(topics.STOREFRONT_IDENTITIES, [(each, _identified(each, at)) for each in households])

    async def sell(self, orders: Messages) -> None:
        await self._producer.publish(topics.STOREFRONT_ORDERS, orders)

    async def tell(self, topic: str, events: Iterable[tuple[str, Event]]) -> None:
        """`(key, event)` pairs; returns when the broker has acknowledged them."""
        await self._producer.publish(topic, [(key, encode(event)) for key, event in events])


def _identified(household: str, at: datetime) -> StorefrontCustomerIdentified:
    data = Identification(person=Person(source_id=household), shop_id="loyalty-desk", member=True)
    return StorefrontCustomerIdentified(id=f"household-{household}", source=_SOURCE, time=at, data=data)


def orders_of(baskets: Iterable[Basket]) -> Messages:
    return [(basket.household_id, encode(_paid(basket))) for basket in baskets]


def _paid(basket: Basket) -> StorefrontOrderCompleted:
    order = Order(
        person=Person(source_id=basket.household_id),
        shop_id=basket.store_id,
        order_id=basket.basket_id,
        total=basket.total_cents,
        currency="USD",
    )
    return StorefrontOrderCompleted(
        id=f"basket-{basket.basket_id}", source=_SOURCE, time=instant(basket.at_us), data=order
    )
