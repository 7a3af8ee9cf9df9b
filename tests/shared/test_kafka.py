"""What a producer promises about ticks, whatever the broker takes and whatever it loses; and who waits for a group."""

import asyncio
import secrets
import socket
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import uvloop

from deploy.local.stack import Stack
from shared import kafka, topics
from shared.broker import create_topics
from shared.client import AIOKafkaConnection, PartitionRecords, change_aiokafka
from shared.events import Tick
from shared.inbox import Partition, Record
from shared.kafka import Consumer, KafkaError, Producer, encode_tick, send

TICK = encode_tick("orders", Tick(at=datetime(2026, 1, 1, tzinfo=UTC), partitions=1))


@dataclass
class Batch:
    """Holds two records."""

    bodies: list[bytes] = field(default_factory=list[bytes])

    def append(self, *, value: bytes, **_: Any) -> object | None:
        if len(self.bodies) == 2:
            return None
        self.bodies.append(value)
        return object()


class Broker:
    """Takes a batch whole or, when its number is among the lost, not at all; answers a moment later."""

    def __init__(self, lost: set[int]) -> None:
        self.log: list[bytes] = []
        self._lost = lost
        self._sent = 0

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        assert (topic, partition) == ("orders", 0)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.001, self._answer, self._sent, batch, answer)
        self._sent += 1
        return answer

    def _answer(self, number: int, batch: Batch, answer: "asyncio.Future[None]") -> None:
        if number in self._lost:
            answer.set_exception(KafkaError("lost"))
        else:
            self.log += batch.bodies
            answer.set_result(None)


def bodies(count: int) -> list[tuple[bytes | None, bytes]]:
    return [(b"key", b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("count", range(6))
async def test_a_tick_comes_last(count: int) -> None:
    broker = Broker(lost=set())
    await send(broker, "orders", 0, bodies(count), TICK)
    assert broker.log == [*(body for _, body in bodies(count)), TICK]


@pytest.mark.parametrize("count", range(6))
@pytest.mark.parametrize("lost", range(3))
async def test_a_tick_is_never_there_without_all_that_stands_in_front_of_it(count: int, lost: int) -> None:
    broker = Broker(lost={lost})
    try:
        await send(broker, "orders", 0, bodies(count), TICK)
    except KafkaError:
        assert TICK not in broker.log
    else:
        assert broker.log == [*(body for _, body in bodies(count)), TICK]


class Assignee:
    """Waits until it has partitions."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()

    async def assigned(self, partitions: list[Partition]) -> None:
        if partitions:
            self.ready.set()

    async def revoked(self) -> None:
        pass


async def test_nobody_waits_for_a_group_that_does_not_answer_for_longer_than_a_session(servers: Stack) -> None:
    """Or a client that has lost its group for good would hold its worker up for ever."""
    bootstrap, assignee = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"], Assignee()
    await create_topics(bootstrap, 2)
    consumer = Consumer(bootstrap, f"group-{secrets.token_hex(4)}", [topics.COUPONS], assignee, session_seconds=6)
    broker = servers.processes.find("kafka")
    assert broker is not None
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            await assignee.ready.wait()
            await consumer.show_positions({(topics.COUPONS, 0): 0})
        broker.suspend()
        async with asyncio.timeout(20):
            with pytest.raises(TimeoutError):
                await consumer.show_positions({(topics.COUPONS, 0): 0})
    finally:
        broker.resume()
        await consumer.stop()


async def test_what_is_fetched_comes_as_records_of_ours(servers: Stack) -> None:
    """As aiokafka's own they would say the same, and be three times as large."""
    bootstrap, assignee = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"], Assignee()
    await create_topics(bootstrap, 2)
    producer = Producer(bootstrap)
    consumer = Consumer(bootstrap, f"group-{secrets.token_hex(4)}", [topics.COUPONS], assignee, session_seconds=6)
    key, began = secrets.token_hex(8), round(time.time() * 1000)
    found: list[Record] = []
    await consumer.start()
    await producer.start()
    try:
        await producer.publish(topics.COUPONS, [(key, b"one"), (key, b"two")])
        async with asyncio.timeout(30):
            while len(found) < 2:
                polled = await consumer.poll(200)
                found += [each for part in polled.values() for each in part if each.key == key.encode()]
    finally:
        await producer.stop()
        await consumer.stop()
    assert {type(each) for each in found} == {Record}
    assert [each.value for each in found] == [b"one", b"two"]
    assert found[1].offset == found[0].offset + 1
    assert {each.topic for each in found} == {topics.COUPONS}
    assert {name for each in found for name, _ in each.headers} == {"content-type"}
    assert all(0 <= each.timestamp - began < 60_000 for each in found)


def test_another_aiokafka_is_noticed_when_it_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(PartitionRecords, "_consumer_record")
    with pytest.raises(ImportError, match="_consumer_record"):
        change_aiokafka()


async def test_nobody_waits_without_an_end_to_hear_of_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka does once its own task has ended, or when the broker accepts connections and says nothing."""
    monkeypatch.setattr(kafka, "_METADATA_SECONDS", 0.5)

    class Deaf:
        class client:
            @staticmethod
            async def force_metadata_update() -> None:
                await asyncio.Event().wait()

    producer = Producer("nowhere")
    monkeypatch.setattr(producer, "_client", Deaf)
    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            await producer.count_partitions("orders")


async def _write_to_a_connection_that_was_reset() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection: Any = AIOKafkaConnection("127.0.0.1", port)
    waiting = [asyncio.create_task(connection.connect())]
    while connection._writer is None:
        await asyncio.sleep(0)
    # In between the loop knows already that the connection is gone, and the client does not.
    refused: Exception | None = None
    while refused is None:
        try:
            waiting.append(asyncio.ensure_future(connection.send(Asking())))
        except Exception as error:
            refused = error
        await asyncio.sleep(0)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    server.close()
    assert all(isinstance(each, KafkaError) for each in [refused, *found]), (refused, found)


class Asking:
    """A request like any other."""

    def prepare(self, _versions: object) -> "Asking":
        return self

    def build_request_header(self, **_: object) -> "Asking":
        return self

    def encode(self) -> bytes:
        return b"?"


def test_a_request_on_a_connection_that_was_reset_fails_like_any_other() -> None:
    """Under uvloop, as workers run. Anything else would end the client's own tasks, for good."""
    uvloop.run(_write_to_a_connection_that_was_reset())
