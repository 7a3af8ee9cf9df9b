"""The only file that knows aiokafka: a producer, a consumer whose position is ours, and topics."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

# pyright: reportMissingTypeStubs=false
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from shared import topics
from shared.events import ClockTicked, Tick
from shared.events.codec import encode
from shared.events.envelope import CONTENT_TYPE
from shared.inbox import Partition
from shared.telemetry import log

__all__ = ["Consumer", "KafkaError", "Producer", "Record", "create_topics"]

Record = Any  # aiokafka's ConsumerRecord: topic, partition, offset, key, value
_HEADERS = [("content-type", CONTENT_TYPE)]
_QUEUED = 2_000
_BACK_OFF = 0.5


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
            compression_type="lz4",
            linger_ms=self._linger_ms,
            max_batch_size=262_144,
            max_request_size=1_200_000,
            request_timeout_ms=15_000,
            metadata_max_age_ms=30_000,
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

    async def publish(self, topic: str, messages: list[tuple[str, bytes]]) -> None:
        """Sends `(key, body)` pairs in order."""
        for start in range(0, len(messages), _QUEUED):
            part = [(key.encode(), body, None) for key, body in messages[start : start + _QUEUED]]
            await self._until_acknowledged(topic, part)

    async def publish_tick(self, topic: str, tick: Tick) -> None:
        """Writes the tick into every partition."""
        body = encode_tick(topic, tick.at, tick.partitions)
        await self._until_acknowledged(topic, [(None, body, number) for number in range(tick.partitions)])

    async def _until_acknowledged(self, topic: str, messages: Sequence[tuple[bytes | None, bytes, int | None]]) -> None:
        while True:
            client = self.client
            try:
                sent = [
                    await client.send(topic, key=key, value=body, partition=number, headers=_HEADERS)
                    for key, body, number in messages
                ]
                await asyncio.gather(*sent)
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
        """How many partitions the broker says there are, now."""
        await self.client.client.force_metadata_update()
        return len(await self.client.partitions_for(topic))

    async def ready(self) -> bool:
        """Whether the broker answers."""
        try:
            async with asyncio.timeout(3):
                return bool(await self.client.client.fetch_all_metadata())
        except (KafkaError, TimeoutError, OSError):
            return False


def encode_tick(topic: str, at: datetime, partitions: int) -> bytes:
    return encode(
        ClockTicked(id=f"tick-{at.isoformat()}", source=topic, time=at, data=Tick(at=at, partitions=partitions))
    )


class Assignee(Protocol):
    """Who is told what a rebalance brought; the group waits until it returns."""

    async def assigned(self, partitions: list[Partition]) -> None: ...

    async def revoked(self) -> None: ...


class Consumer(ConsumerRebalanceListener):
    """Reads a group's share of some topics, from positions that the assignee seeks to."""

    def __init__(self, bootstrap: str, group: str, wanted: Iterable[str], assignee: Assignee) -> None:
        self._topics = list(wanted)
        self._assignee = assignee
        self._failure: Exception | None = None
        self._client: Any = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=30_000,
            heartbeat_interval_ms=3_000,
            fetch_max_wait_ms=250,
            max_partition_fetch_bytes=1_048_576,
            metadata_max_age_ms=30_000,
        )

    async def start(self) -> None:
        self._client.subscribe(self._topics, listener=self)
        await self._client.start()

    async def stop(self) -> None:
        await self._client.stop()

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002  # pyright: ignore[reportIncompatibleMethodOverride]
        await self._assignee.revoked()

    async def on_partitions_assigned(self, assigned: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
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

    def seek(self, partition: Partition, offset: int) -> None:
        self._client.seek(TopicPartition(*partition), offset)

    def pause(self, partitions: Iterable[Partition]) -> None:
        self._client.pause(*(TopicPartition(*partition) for partition in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        self._client.resume(*(TopicPartition(*partition) for partition in partitions))

    async def poll(self, timeout_ms: int) -> dict[Partition, list[Record]]:
        """Records by partition; raises what the assignee raised when it was given its partitions."""
        records = await self._client.getmany(timeout_ms=timeout_ms, max_records=10_000)
        if self._failure is not None:
            raise self._failure
        return {(part.topic, part.partition): list(found) for part, found in records.items()}

    async def show_positions(self, positions: dict[Partition, int]) -> None:
        """Commits to Kafka, only so that tools which show lag see something."""
        await self._client.commit({TopicPartition(*part): offset for part, offset in positions.items()})


async def create_topics(bootstrap: str, partitions: int = topics.DEFAULT_PARTITIONS) -> None:
    """Makes the topics that are missing; leaves the others as they are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        missing = set(topics.ALL) - set(await admin.list_topics())
        new = [
            NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=topics.CONFIG)
            for name in topics.ALL
            if name in missing
        ]
        if new:
            await admin.create_topics(new)
    except TopicAlreadyExistsError:
        pass
    finally:
        await admin.close()
