"""The topics as the broker has them: made, grown, and the tick that each of their partitions ends with."""

import asyncio
from typing import Any

# pyright: reportMissingTypeStubs=false
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import NodeNotReadyError, TopicAlreadyExistsError

from shared import topics
from shared.client import change_aiokafka
from shared.events import ClockTicked, Tick
from shared.events.codec import Undecodable, decode

change_aiokafka()

_BACK_OFF = 0.5
_TRIES = 40


async def create_topics(bootstrap: str, partitions: int = topics.DEFAULT_PARTITIONS) -> None:
    """Makes the topics that are missing; leaves the others as they are.

    A broker that has only just begun to serve, or stood still for a while, does not know of itself at first.
    """
    for left in range(_TRIES, 0, -1):
        try:
            await _create_missing(bootstrap, partitions)
        except NodeNotReadyError:
            if left == 1:
                raise
            await asyncio.sleep(_BACK_OFF)
        else:
            return


async def _create_missing(bootstrap: str, partitions: int) -> None:
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


async def add_partitions(bootstrap: str, topic: str, count: int) -> None:
    """The topic has `count` partitions; raises KafkaError when the broker refuses."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(total_count=count)})
    finally:
        await admin.close()


async def get_last_ticks(bootstrap: str, topic: str) -> dict[int, Tick | None]:
    """By partition of the topic: the tick that its log holds last, None for one that has none."""
    client: Any = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await client.start()
    try:
        numbers: set[int] = client.partitions_for_topic(topic) or set()
        return {number: await _last_tick(client, TopicPartition(topic, number)) for number in sorted(numbers)}
    finally:
        await client.stop()


async def _last_tick(client: Any, part: TopicPartition) -> Tick | None:
    first = (await client.beginning_offsets([part]))[part]
    last = (await client.end_offsets([part]))[part]
    for back in (100, 10_000, last - first):
        client.seek(part, max(first, last - back))
        found = None
        while await client.position(part) < last:
            for record in (await client.getmany(part, timeout_ms=1000)).get(part, []):
                event = decode_tick(record.value)
                found = event.data if event else found
        if found is not None or last - back <= first:
            return found
    return None


def decode_tick(value: bytes | None) -> ClockTicked | None:
    """The tick in a record, None if it is anything else."""
    try:
        event = decode(value)
    except Undecodable:
        return None
    return event if isinstance(event, ClockTicked) else None
