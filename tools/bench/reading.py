"""Everything that some topics hold now, read beside the services' groups."""

import secrets
from collections.abc import AsyncGenerator

from shared.inbox import Partition
from shared.kafka import Consumer, Record


async def read_all(bootstrap: str, topics: list[str]) -> AsyncGenerator[list[Record]]:
    """Records in pieces as they come, up to where each partition ended when the reading began."""
    reader = _Reader(bootstrap, topics)
    await reader.consumer.start()
    try:
        while not reader.ends or reader.left():
            for partition, records in (await reader.consumer.poll(1000)).items():
                reader.positions[partition] = records[-1].offset + 1
                yield records
    finally:
        await reader.consumer.stop()


class _Reader:
    def __init__(self, bootstrap: str, topics: list[str]) -> None:
        self.consumer = Consumer(bootstrap, f"bench-{secrets.token_hex(4)}", topics, self)
        self.positions: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}

    def left(self) -> bool:
        return any(self.positions[partition] < end for partition, end in self.ends.items())

    async def assigned(self, partitions: list[Partition]) -> None:
        for partition, (first, end) in (await self.consumer.bounds(partitions)).items():
            self.positions[partition], self.ends[partition] = first, end
            self.consumer.seek(partition, first)

    async def revoked(self) -> None:
        self.positions.clear()
        self.ends.clear()
