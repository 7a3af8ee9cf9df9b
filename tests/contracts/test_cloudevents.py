"""The CloudEvents SDK, which knows nothing of us, reads what we write on a real Kafka, and we apply what it writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings import kafka as foreign
from cloudevents.core.v1.event import CloudEvent

from deploy.local.stack import Stack
from services.profile.consumers import consumers
from shared import topics
from shared.broker import create_topics
from shared.buffers import Buffers
from shared.clock import BEGINNING
from shared.database import execute
from shared.events import Event, type_of
from shared.events.codec import decode, encode
from shared.kafka import Producer
from shared.retrying import Retrier
from tests.conftest import FreshDatabase
from tests.support.doing import IDS, rows
from tests.support.working import T0, Running, order, running_on
from tools.contracts.samples import SAMPLES

Write = Callable[..., foreign.KafkaMessage]
MODES = pytest.mark.parametrize(
    "write", [foreign.to_structured_event, foreign.to_binary_event], ids=["structured", "binary"]
)


@pytest.fixture
async def bootstrap(servers: Stack) -> str:
    """Of a broker that has the topics."""
    found = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    await create_topics(found, 2)
    return found


@pytest.fixture
async def running(bootstrap: str, fresh_database: FreshDatabase) -> AsyncIterator[Running]:
    async with running_on(bootstrap, await fresh_database("profile")) as found:
        yield found


def foreign_event(event: Event, **changed: Any) -> BaseCloudEvent:
    """The event as a program with the SDK would make it: a dictionary of data, and attributes of its own."""
    told = msgspec.json.decode(encode(event))
    data = told.pop("data")
    return CloudEvent({**told, "time": event.time, "datacontenttype": "application/json", **changed}, data)


@asynccontextmanager
async def at_the_end_of(bootstrap: str, topic: str) -> AsyncIterator[Callable[[int], Any]]:
    """A plain Kafka consumer that reads so many records from here on."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap)
    await consumer.start()
    await consumer.seek_to_end()

    async def read(count: int) -> list[Any]:
        async with asyncio.timeout(30):
            return [await consumer.getone() for _ in range(count)]

    try:
        yield read
    finally:
        await consumer.stop()


async def write_all(bootstrap: str, topic: str, messages: Iterable[foreign.KafkaMessage], key: bytes = b"anna") -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    for message in messages:
        headers = [(name, value) for name, value in message.headers.items()]
        await producer.send_and_wait(topic, message.value, key=key, headers=headers)
    await producer.stop()


def as_foreign(record: Any) -> foreign.KafkaMessage:
    return foreign.KafkaMessage(headers=dict(record.headers), key=None, value=record.value)


def read_by_us(records: list[Any]) -> list[Event | None]:
    """What our consumers make of records of one topic, as their workers do."""
    parts = {(record.topic, record.partition): record.offset for record in reversed(records)}
    buffers = Buffers([], skips_ticks=True)
    buffers.reset({part: (first, None) for part, first in parts.items()})
    for record in records:
        buffers.arrive((record.topic, record.partition), [record])
    batch = buffers.take(BEGINNING)
    assert [item.reason for item in batch.unreadable] == []
    return [item.event for item in batch.events]


async def test_the_sdk_reads_every_type_that_we_write(bootstrap: str) -> None:
    producer = Producer(bootstrap)
    await producer.start()
    async with at_the_end_of(bootstrap, topics.COUPONS) as read:
        await producer.publish(topics.COUPONS, [("anna", encode(event)) for event in SAMPLES.values()])
        found = [foreign.from_kafka_event(as_foreign(record)) for record in await read(len(SAMPLES))]
    await producer.stop()
    for theirs, ours in zip(found, SAMPLES.values(), strict=True):
        told = msgspec.json.decode(encode(ours))
        assert theirs.get_specversion() == "1.0"
        assert (theirs.get_type(), theirs.get_id(), theirs.get_source()) == (type_of(ours), ours.id, ours.source)
        assert (theirs.get_time(), theirs.get_subject()) == (ours.time, told.get("subject"))
        assert theirs.get_extension("traceparent") == told.get("traceparent")
        assert theirs.get_data() == told["data"]


@MODES
async def test_we_read_every_type_that_the_sdk_writes(bootstrap: str, write: Write) -> None:
    without_ticks = [event for event in SAMPLES.values() if "clock" not in type_of(event)]
    async with at_the_end_of(bootstrap, topics.COUPONS) as read:
        await write_all(bootstrap, topics.COUPONS, [write(foreign_event(event)) for event in without_ticks])
        records = await read(len(without_ticks))
    assert read_by_us(records) == without_ticks
    # And what they read of their own writing is what they read of ours.
    theirs = [foreign.from_kafka_event(as_foreign(record)).get_data() for record in records]
    assert theirs == [msgspec.json.decode(encode(event))["data"] for event in without_ticks]


@MODES
async def test_orders_that_the_sdk_writes_are_applied_once(running: Running, bootstrap: str, write: Write) -> None:
    events = [decode(order(number, source_id="anna")) for number in range(20)]
    messages = [write(foreign_event(event)) for event in events]
    await write_all(bootstrap, topics.STOREFRONT_ORDERS, [*messages, *messages])
    await running.send(*(order(number, source_id="anna") for number in range(15, 25)))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 25
    assert await rows(running.database, "SELECT reason FROM parked") == []
    await running.check_positions()


async def test_a_bad_binary_record_is_parked_with_the_reason_and_applied_when_it_is_mended(
    running: Running, bootstrap: str
) -> None:
    """Rows 32 and 33 of the fault list: nothing else is disturbed, nothing of it is lost."""
    good = foreign.to_binary_event(foreign_event(decode(order(1, source_id="anna"))))
    nameless = foreign.to_binary_event(foreign_event(decode(order(2, source_id="anna"))))
    del nameless.headers["ce_id"]
    old = foreign.to_binary_event(foreign_event(decode(order(3, source_id="anna"))))
    old.headers["ce_specversion"] = b"0.3"
    await write_all(bootstrap, topics.STOREFRONT_ORDERS, [nameless, old, good])
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 1
    parked = await rows(running.database, "SELECT reason, body FROM parked ORDER BY record_offset")
    assert [row["reason"] for row in parked] == [
        "a binary CloudEvent without the header ce_id",
        "Invalid enum value '0.3' - at `$.specversion`",
    ]
    async with running.database.transaction() as session:
        body = msgspec.json.encode({**msgspec.json.decode(parked[0]["body"]), "id": "e2"})
        await execute(session, "UPDATE parked SET retry_requested_at = now(), body = $1 WHERE reason ~ 'ce_id'", body)
    assert await Retrier(running.database, consumers, {"service": "profile", "ids": IDS}).retry_one()
    assert await running.orders() == 2
    await running.check_positions()
