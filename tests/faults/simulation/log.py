"""A broker whose partitions take a batch whole or not at all, groups that rebalance, and aiokafka's two clients."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.inbox import Record
from tests.faults.simulation.loop import Bell
from tests.faults.simulation.processes import Process, Weather

SESSION_SECONDS = 3.0
_BATCH = 3
_LOST, _UNANSWERED = 0.03, 0.03


@dataclass(eq=False)
class Broker:
    weather: Weather
    topics: dict[str, list[list[Record]]]
    groups: dict[str, "Group"] = field(default_factory=dict[str, "Group"])
    appended: Bell = field(default_factory=Bell)

    def append(self, topic: str, number: int, pairs: list[tuple[bytes | None, bytes]]) -> None:
        part = self.topics[topic][number]
        for key, body in pairs:
            part.append(Record(topic, number, len(part), key, body))
        self.appended.ring()

    def grow(self, topic: str) -> None:
        self.topics[topic].append([])
        for group in self.groups.values():
            asyncio.get_running_loop().call_later(self.weather.dice.uniform(0.1, 5.0), group.rebalance)

    def group(self, name: str) -> "Group":
        return self.groups.setdefault(name, Group(self))


@dataclass(eq=False)
class Group:
    """Whoever listens under one name: each partition belongs to one of them, as far as the broker knows."""

    broker: Broker
    members: list["ConsumerClient"] = field(default_factory=list["ConsumerClient"])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    generation: int = 0
    changed: Bell = field(default_factory=Bell)

    def join(self, member: "ConsumerClient") -> None:
        if member not in self.members:
            self.members.append(member)
            self.rebalance()

    def leave(self, member: "ConsumerClient") -> None:
        if member in self.members:
            self.members.remove(member)
            self.rebalance()

    def rebalance(self) -> None:
        self.counts = {topic: len(parts) for topic, parts in self.broker.topics.items()}
        self.generation += 1
        self.changed.ring()

    def share_of(self, member: "ConsumerClient") -> list[TopicPartition]:
        place, size = self.members.index(member), len(self.members)
        wanted = ((topic, number) for topic in member.topics for number in range(self.counts[topic]))
        return [TopicPartition(topic, number) for topic, number in wanted if number % size == place]


class ConsumerClient:
    """AIOKafkaConsumer."""

    def __init__(self, process: Process, broker: Broker, group_id: str) -> None:
        self.process = process
        self._broker = broker
        self._group = broker.group(group_id)
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._generation = -1
        self._following: asyncio.Task[None] | None = None
        self.topics: list[str] = []
        self._listener: Any = None

    def subscribe(self, topics: list[str], listener: Any) -> None:
        self.topics, self._listener = topics, listener

    async def start(self) -> None:
        await self.process.travel()
        self._group.join(self)
        self._following = self.process.start(self._follow())

    async def stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
        if not self.process.dead:
            self._group.leave(self)

    async def _follow(self) -> None:
        """The coordination task: hears of rebalances some time after they happened."""
        while True:
            if self._generation == self._group.generation:
                await self._group.changed.wait()
            await self.process.travel()
            await self._listener.on_partitions_revoked(set(self._positions))
            await self.process.travel()
            self._group.join(self)
            self._generation = self._group.generation
            self._positions = dict.fromkeys(self._group.share_of(self), 0)
            self._paused = set()
            await self._listener.on_partitions_assigned(set(self._positions))

    def silent(self) -> None:
        """The broker has heard no heartbeat for the length of a session."""
        if self.process.dead or self.process.stalled:
            self._group.leave(self)

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    async def beginning_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self.process.travel()
        return dict.fromkeys(parts, 0)

    async def end_offsets(self, parts: list[TopicPartition]) -> dict[TopicPartition, int]:
        await self.process.travel()
        return {part: len(self._broker.topics[part.topic][part.partition]) for part in parts}

    def seek(self, part: TopicPartition, offset: int) -> None:
        # aiokafka raises for a partition that was taken away meanwhile.
        if part not in self._positions:
            raise KafkaConnectionError(f"{part} is not assigned")
        self._positions[part] = offset

    def pause(self, *parts: TopicPartition) -> None:
        self._paused.update(parts)

    def resume(self, *parts: TopicPartition) -> None:
        self._paused.difference_update(parts)

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        del max_records
        await self.process.travel()
        until = asyncio.get_running_loop().time() + timeout_ms / 1000
        while not (found := self._take()) and (left := until - asyncio.get_running_loop().time()) > 0:
            await self._broker.appended.wait(left)
            await self.process.travel()
        return found

    def _take(self) -> dict[TopicPartition, list[Record]]:
        """Some of what there is, as a fetch over several partitions brings some of it."""
        dice, found = self._broker.weather.dice, dict[TopicPartition, list[Record]]()
        for part, position in self._positions.items():
            log = self._broker.topics[part.topic][part.partition]
            if part in self._paused or position >= len(log) or dice.random() < 0.2:
                continue
            found[part] = log[position : position + dice.randint(1, 8)]
            self._positions[part] += len(found[part])
        return found

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        await self.process.travel()
        del offsets


class Batch:
    """Holds few records, so that short histories need several."""

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes | None, bytes]] = []

    def append(self, *, key: bytes | None, value: bytes, timestamp: None, headers: Iterable[Any]) -> object | None:
        del timestamp, headers
        if len(self.pairs) == _BATCH:
            return None
        self.pairs.append((key, value))
        return self


class ProducerClient:
    """AIOKafkaProducer: what a process has sent keeps its order in a partition, and may arrive after its death."""

    def __init__(self, process: Process, broker: Broker) -> None:
        self.process = process
        self._broker = broker
        self._counts: dict[str, int] = {}
        self._last: dict[tuple[str, int], float] = {}
        self.client = self

    async def start(self) -> None:
        await self.process.travel()

    async def stop(self) -> None:
        pass

    async def force_metadata_update(self) -> None:
        await self.process.travel()
        self._counts = {topic: len(parts) for topic, parts in self._broker.topics.items()}

    async def partitions_for(self, topic: str) -> set[int]:
        """What was known a while ago; a fresh client asks."""
        if topic not in self._counts or self._broker.weather.chance(0.2):
            await self.force_metadata_update()
        return set(range(self._counts[topic]))

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        self.process.check()
        loop, weather = asyncio.get_running_loop(), self._broker.weather
        arrival = max(loop.time() + weather.delay(), self._last.get((topic, partition), 0.0) + 1e-6)
        self._last[topic, partition] = arrival
        answer: asyncio.Future[None] = loop.create_future()
        loop.call_at(arrival, self._arrive, batch, topic, partition, answer)
        return answer

    def _arrive(self, batch: Batch, topic: str, partition: int, answer: "asyncio.Future[None]") -> None:
        weather = self._broker.weather
        failure: str | None = None
        if weather.chance(0.5 if self.process.dead else _LOST):
            failure = "lost on the way"
        else:
            self._broker.append(topic, partition, batch.pairs)
            if weather.chance(_UNANSWERED):
                failure = "the answer was lost on the way"
        loop = asyncio.get_running_loop()
        moment = max(loop.time() + weather.delay(), self.process.stalled_until)
        loop.call_at(moment, _answer, answer, failure)


def _answer(answer: "asyncio.Future[None]", failure: str | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(None)
    else:
        answer.set_exception(KafkaConnectionError(failure))
