"""All that tells and hears goes through here: a producer, and a consumer whose position is ours."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol
from zlib import crc32

# pyright: reportMissingTypeStubs=false
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaConnectionError, KafkaError

from shared import metrics, tracing
from shared.client import change_aiokafka
from shared.events import ClockTicked, Tick
from shared.events.codec import encode
from shared.events.envelope import CONTENT_TYPE
from shared.inbox import BATCH, Partition, Record
from shared.telemetry import log

__all__ = ["Consumer", "KafkaError", "Producer", "Record"]

_HEADERS = [("content-type", CONTENT_TYPE)]
# By partition: `(key, body)` in the order in which they must arrive.
Parts = dict[int, list[tuple[bytes | None, bytes]]]
_BACK_OFF = 0.5
# How often clients ask what partitions there are: while a topic grows, clocks wait for those who do not know yet.
_LOOK_AGAIN_MS = 10_000
_METADATA_SECONDS = 60


change_aiokafka()


class Producer:
    """Idempotent and order-keeping; every call returns when the broker has acknowledged all it was given.

    A broker that fails is waited for: the call begins again with a fresh client, so what it sends may come twice.
    """

    def __init__(self, bootstrap: str, *, linger_ms: int = 0) -> None:
        self._bootstrap = bootstrap
        self._linger_ms = linger_ms
        self._client: Any = None
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        client: Any = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            acks="all",
            # At the level that the client fixes, lz4 takes thirteen times as long for two thirds of the bytes.
            compression_type="snappy",
            linger_ms=self._linger_ms,
            max_batch_size=262_144,
            max_request_size=1_200_000,
            request_timeout_ms=15_000,
            metadata_max_age_ms=_LOOK_AGAIN_MS,
        )
        try:
            await client.start()
        except BaseException:
            await client.stop()
            raise
        self._client = client

    async def start_when_possible(self) -> None:
        """Returns when the broker has been reached, however long that takes."""
        while True:
            try:
                await self.start()
            except KafkaError as error:
                log.warning("broker.waiting", reason=repr(error))
                await asyncio.sleep(_BACK_OFF)
            else:
                return

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.stop()

    @property
    def client(self) -> Any:
        if self._client is None:
            raise KafkaConnectionError("no broker has been reached yet")
        return self._client

    async def publish(
        self, topic: str, messages: list[tuple[str, bytes]], tick: Tick | None = None, *, partitions: int | None = None
    ) -> None:
        """Sends `(key, body)` pairs; those of one key arrive in order, and the tick last in every partition.

        Keys are spread by CRC-32 over so many `partitions`, or over all there are. Who ticks must say it: facts and
        ticks that go by different counts could pass each other.
        """

        def divide(found: int) -> Parts:
            parts: Parts = {}
            count = partitions or found
            for key, body in messages:
                encoded = key.encode()
                parts.setdefault(crc32(encoded) % count, []).append((encoded, body))
            for number in range(tick.partitions if tick else 0):
                parts.setdefault(number, [])
            return parts

        if messages or tick:
            await self._until_acknowledged(topic, divide, encode_tick(topic, tick) if tick else None)

    async def publish_tick_into(self, topic: str, tick: Tick, partitions: list[int]) -> None:
        """Writes the tick into these partitions only: those that a topic has grown by."""
        await self._until_acknowledged(topic, lambda _: {each: [] for each in partitions}, encode_tick(topic, tick))

    async def _until_acknowledged(self, topic: str, divide: Callable[[int], Parts], last: bytes | None) -> None:
        while True:
            client = self.client
            try:
                parts = divide(len(await client.partitions_for(topic)))
                await asyncio.gather(*(send(client, topic, number, part, last) for number, part in parts.items()))
            except KafkaError as error:
                log.warning("broker.waiting", topic=topic, reason=repr(error))
                await asyncio.sleep(_BACK_OFF)
                await self._renew(client)
            else:
                return

    async def _renew(self, broken: Any) -> None:
        # A producer that has lost a batch has lost its sequence with it.
        async with self._renewing:
            if self._client is broken:
                with suppress(KafkaError, TimeoutError):
                    async with asyncio.timeout(5):
                        await broken.stop()
                await self.start_when_possible()

    async def count_partitions(self, topic: str) -> int:
        """How many partitions the broker says there are, now. Raises TimeoutError if nobody says it for a minute."""
        # Whoever ticks would stand still, and time with it, where aiokafka waits for ever.
        async with asyncio.timeout(_METADATA_SECONDS):
            await self.client.client.force_metadata_update()
        return len(await self.client.partitions_for(topic))

    async def ready(self) -> bool:
        """Whether the broker answers."""
        try:
            async with asyncio.timeout(3):
                return bool(await self.client.client.fetch_all_metadata())
        except (KafkaError, TimeoutError, OSError):
            return False


async def send(
    client: Any, topic: str, partition: int, messages: list[tuple[bytes | None, bytes]], last: bytes | None
) -> None:
    """Sends the messages and behind them `last`: in one batch with what stands right before it, or after an answer.

    The broker takes a batch whole or not at all. So a tick can only be there if everything in front of it is.
    """
    *full, batch = _batches(client, messages)
    if last is not None and not _append(batch, None, last):
        full, batch = [*full, batch], client.create_batch()
        _append(batch, None, last)
    earlier = [await client.send_batch(each, topic, partition=partition) for each in full]
    if last is not None:
        await asyncio.gather(*earlier)
    await asyncio.gather(*earlier, await client.send_batch(batch, topic, partition=partition))


def _batches(client: Any, messages: list[tuple[bytes | None, bytes]]) -> list[Any]:
    # Whole batches: a future, a hash and a look-up for each message would cost more than all the rest.
    batches = [client.create_batch()]
    headers, traced = _HEADERS, tracing.is_on()
    for key, body in messages:
        if traced:
            headers = _HEADERS + tracing.headers(body)
        if not _append(batches[-1], key, body, headers):
            batches.append(client.create_batch())
            _append(batches[-1], key, body, headers)
    return batches


def _append(batch: Any, key: bytes | None, body: bytes, headers: list[tuple[str, bytes]] = _HEADERS) -> bool:
    return batch.append(key=key, value=body, timestamp=None, headers=headers) is not None


def encode_tick(topic: str, tick: Tick) -> bytes:
    return encode(ClockTicked(id=f"tick-{tick.at.isoformat()}", source=topic, time=tick.at, data=tick))


class Assignee(Protocol):
    """Who is told what a rebalance brought; the group waits until it returns."""

    async def assigned(self, partitions: list[Partition]) -> None: ...

    async def revoked(self) -> None: ...


class Consumer(ConsumerRebalanceListener):
    """Reads a group's share of some topics, from positions that the assignee seeks to."""

    def __init__(
        self, bootstrap: str, group: str, wanted: Iterable[str], assignee: Assignee, *, session_seconds: int = 30
    ) -> None:
        self._topics = list(wanted)
        self._assignee = assignee
        self._failure: Exception | None = None
        self._session_seconds = session_seconds
        self._client: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=session_seconds * 1000,
            # By its answer a member hears that somebody has come and wants a share: they wait no longer than this.
            heartbeat_interval_ms=min(1000, session_seconds * 100),
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=1_048_576,
            metadata_max_age_ms=_LOOK_AGAIN_MS,
        )

    async def start(self) -> None:
        self._client.subscribe(self._topics, listener=self)
        await self._client.start()

    async def stop(self) -> None:
        await self._client.stop()

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002  # pyright: ignore[reportIncompatibleMethodOverride]
        await self._assignee.revoked()

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        metrics.REBALANCES.inc()
        try:
            await self._assignee.assigned(sorted((part.topic, part.partition) for part in assigned))
        except Exception as error:
            # aiokafka would log it and go on reading from wherever; `poll` says it to whoever reads.
            self._failure = error

    def assignment(self) -> list[Partition]:
        return sorted((part.topic, part.partition) for part in self._client.assignment())

    async def bounds(self, partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
        """The first offset that the log still has, and the one after its last."""
        parts = [TopicPartition(*partition) for partition in partitions]
        first = await self._client.beginning_offsets(parts)
        last = await self._client.end_offsets(parts)
        return {(part.topic, part.partition): (first[part], last[part]) for part in parts}

    def ends(self) -> dict[Partition, int]:
        """Where the log of each partition here ended at its last fetch."""
        found = {part: self._client.highwater(part) for part in self._client.assignment()}
        return {(part.topic, part.partition): end for part, end in found.items() if end is not None}

    def seek(self, partition: Partition, offset: int) -> None:
        self._client.seek(TopicPartition(*partition), offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._client.pause(*(TopicPartition(*partition) for partition in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._client.resume(*(TopicPartition(*partition) for partition in partitions))

    async def poll(self, timeout_ms: int) -> dict[Partition, list[Record]]:
        """Records by partition; raises what the assignee raised when it was given its partitions."""
        records = await self._client.getmany(timeout_ms=timeout_ms, max_records=BATCH)
        if self._failure is not None:
            raise self._failure
        return {(part.topic, part.partition): list(found) for part, found in records.items()}

    async def show_positions(self, positions: dict[Partition, int]) -> None:
        """Commits to Kafka, so that tools which show lag see something. Raises TimeoutError after a session.

        aiokafka waits here until it knows the group's coordinator, however long that takes. Who has not heard of it for
        a session is no member any more, and begins again with a fresh client.
        """
        async with asyncio.timeout(self._session_seconds):
            await self._client.commit({TopicPartition(*part): offset for part, offset in positions.items()})
