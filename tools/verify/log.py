"""What Kafka says: where each partition ends, and what the services' groups have committed."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from deploy.local.names import SERVICES
from shared import broker, kafka
from shared.inbox import Partition
from shared.kafka import KafkaError

_PATIENCE = 5


class Log:
    """A broker that may not be there: then it has no ends and no commits."""

    def __init__(self, reader: Any = None, admin: Any = None) -> None:
        self._reader = reader
        self._admin = admin
        self.committed: dict[str, dict[Partition, int]] = {}

    @property
    def answers(self) -> bool:
        return self._reader is not None

    async def ends(self, topics: Sequence[str]) -> dict[Partition, int]:
        """By partition: the offset that its next record will have."""
        if not self.answers:
            return {}
        found = await self._reader.end_offsets(await self._parts(topics))
        return {(part.topic, part.partition): end for part, end in found.items()}

    async def begins(self, topics: Sequence[str]) -> dict[Partition, int]:
        """By partition: the first offset that has not been deleted."""
        found = await self._reader.beginning_offsets(await self._parts(topics))
        return {(part.topic, part.partition): begin for part, begin in found.items()}

    async def _parts(self, topics: Sequence[str]) -> list[Any]:
        # Of all topics: a broker may make those that are asked for by name.
        described = await self._admin.describe_topics()
        return [
            kafka.TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            if topic["topic"] in topics
            for partition in topic["partitions"]
        ]

    async def read_committed(self) -> None:
        """What each service's group last showed to Kafka."""
        for service in SERVICES if self.answers else ():
            offsets = await self._admin.list_consumer_group_offsets(service)
            self.committed[service] = {(p.topic, p.partition): o.offset for p, o in offsets.items() if o.offset >= 0}

    async def close(self) -> None:
        for client in (self._reader, self._admin):
            if client is not None:
                with suppress(KafkaError, TimeoutError):
                    await (client.stop() if client is self._reader else client.close())


no_log = Log()


async def reach(bootstrap: str) -> Log:
    """The log of the broker at this address; `no_log` if none answers."""
    # It learns of the topics one by one, and waits so long before each.
    reader: Any = kafka.AIOKafkaConsumer(bootstrap_servers=bootstrap, retry_backoff_ms=10)
    admin: Any = broker.AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        async with asyncio.timeout(_PATIENCE):
            await reader.start()
            await admin.start()
    except (KafkaError, TimeoutError, OSError):
        await Log(reader, admin).close()
        return no_log
    return Log(reader, admin)
