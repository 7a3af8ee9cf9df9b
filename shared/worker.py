"""The background process of a service: batches of events in, one transaction each; after them the clock."""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import failpoints, inbox, metrics, outbox, tracing, watching
from shared.batches import Batch, Item, by_kind
from shared.buffers import Buffers, PositionLost
from shared.clock import BEGINNING
from shared.consuming import Consumers
from shared.database import Database, Session, is_about_data, is_transient, savepoint
from shared.inbox import Overtaken, Partition, Record
from shared.kafka import Consumer, KafkaError
from shared.parked import add_parked, reason_of
from shared.telemetry import log
from shared.timekeeper import Decide, Timekeeper, get_clock

_BACK_OFF = 0.5
_SHOW_EVERY = 5.0
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a worker is built of; made by a service's `worker.py`.

    `decide_piece`: where `decide` divides what is large among the service's workers. `group`: whose share of the
    partitions it reads; the service's unless told. `until`: the offset that it stops at in each partition, never unless
    told.
    """

    service: str
    bootstrap: str
    database: Database
    consumers: Consumers
    decide: Decide
    tells: bool
    info: dict[str, Any]
    decide_piece: Decide | None = None
    session_seconds: int = 30
    group: str | None = None
    until: Mapping[Partition, int] | None = None


class Worker:
    """Applies what a service listens to. Several may run; a partition belongs to one of them."""

    def __init__(self, wiring: Wiring) -> None:
        self._group = wiring.group or wiring.service
        self._until = wiring.until
        self._bootstrap = wiring.bootstrap
        self._session_seconds = wiring.session_seconds
        self._database = wiring.database
        self._consumers = wiring.consumers
        self._info = {**wiring.info, "service": wiring.service}
        self._buffers = Buffers(
            wiring.consumers.clocked,
            skips_ticks=wiring.consumers.skips_ticks,
            glance=wiring.consumers.glance(),
        )
        self._timekeeper = Timekeeper(
            wiring.database,
            self._info,
            wiring.consumers.clocked,
            wiring.decide,
            tells=wiring.tells,
            decide_piece=wiring.decide_piece,
        )
        self._clock = BEGINNING
        # Held while a batch is applied, so that a rebalance reads positions that nobody is moving.
        self._busy = asyncio.Lock()
        self._consumer: Consumer | None = None
        self._shown = 0.0

    async def run(self) -> None:
        """Until it is cancelled; raises PositionLost when the log no longer has what was not read yet."""
        while True:
            try:
                await self._consume()
            except PositionLost:
                raise
            except Exception as error:
                if not (is_transient(error) or isinstance(error, KafkaError)):
                    raise
                log.warning("worker.waiting", reason=repr(error))
                _end_if_told()
                await asyncio.sleep(_BACK_OFF)

    async def _consume(self) -> None:
        topics = [*self._consumers.clocked, *self._consumers.unclocked]
        self._consumer = Consumer(self._bootstrap, self._group, topics, self, session_seconds=self._session_seconds)
        try:
            await self._consumer.start()
            await self._run_clock()
            while True:
                found = await self._poll(self._consumer)
                # Positions alone are worth a transaction only when nothing else is to be done.
                if self._buffers.matters(self._clock) or not found:
                    await self._work()
        finally:
            with suppress(TimeoutError, KafkaError):
                async with asyncio.timeout(5):
                    await self._consumer.stop()

    async def _poll(self, consumer: Consumer) -> bool:
        """Fetches; whether there was anything."""
        # While something waits for the clock, another worker may be the one that moves it.
        waiting = self._buffers.waiting()
        if rest_ms := self._consumers.rest_ms:
            await asyncio.sleep(rest_ms / 1000)
        found = await consumer.poll(0 if rest_ms else 50 if waiting else 1000)
        self._arrive(found)
        await self._linger(consumer, bool(found))
        consumer.pause(self._buffers.full())
        if waiting and not found:
            await self._run_clock()
        await self._show(consumer)
        return bool(found)

    def _arrive(self, found: dict[Partition, list[Record]]) -> None:
        for partition, records in found.items():
            self._buffers.arrive(partition, self._wanted(partition, records))

    def _wanted(self, partition: Partition, records: list[Record]) -> list[Record]:
        if self._until is None:
            return records
        end = self._until.get(partition, 0)
        return [record for record in records if record.offset < end]

    async def _linger(self, consumer: Consumer, found: bool) -> None:
        # What is told together arrives in pieces; one transaction for all of it costs a fraction of one for each.
        until = time.monotonic() + self._consumers.patience_ms / 1000
        while found and not self._buffers.worth_applying(self._clock) and (left := until - time.monotonic()) > 0:
            self._arrive(await consumer.poll(math.ceil(left * 1000)))

    async def _work(self) -> None:
        """Applies all that may be applied, one batch after another."""
        while True:
            try:
                # Taken under the lock: a rebalance in between would leave a batch that is nobody's any more.
                async with self._busy:
                    batch = self._buffers.take(self._clock)
                    may_move = self._buffers.clock_may_move(self._clock, batch)
                    if not batch.size:
                        break
                    await self._apply(batch, may_move)
                    failpoints.hit("after_db_commit")
                    self._buffers.applied(batch)
            except Overtaken as error:
                metrics.OVERTAKEN.inc()
                log.warning("worker.overtaken", reason=str(error))
                await self._reload()
                await self._run_clock()
            else:
                if batch.decided is not None:
                    self._clock = batch.decided
                elif may_move:
                    await self._run_clock()
        if self._consumer is not None:
            self._consumer.resume(self._buffers.drained())

    async def _run_clock(self) -> None:
        self._clock = await self._timekeeper.run()

    async def _apply(self, batch: Batch, may_move: bool) -> None:
        started = time.perf_counter()
        with tracing.batch(batch):
            try:
                parked = await self._commit(batch, may_move)
            except Exception as error:
                if is_transient(error) or isinstance(error, Overtaken):
                    raise
                # One of them is poison: the same batch again, this time to find out which.
                parked = await self._commit(batch, False, careful=True)
            watching.report(batch, parked, time.perf_counter() - started)

    async def _commit(self, batch: Batch, may_move: bool, *, careful: bool = False) -> list[tuple[Item, str]]:
        """Effects, outgoing events, parked records and positions, together or not at all; and the clock, if it may."""
        handled = self._consumers.handled
        wanted = [item for item in batch.events if item.kind in handled]
        async with self._database.transaction() as session:
            session.info.update(self._info)
            refused = [(item, item.reason or "unreadable") for item in batch.unreadable]
            if careful:
                refused += await self._bisect(session, wanted)
            elif wanted:
                refused += await self._handle(session, wanted)
            failpoints.hit("in_batch")
            await add_parked(session, [item.parked(reason) for item, reason in refused])
            await inbox.advance(session, _counted(batch, refused))
            decided = await self._timekeeper.join(session) if may_move else None
            await outbox.flush(session)
        batch.decided = decided
        return refused

    async def _handle(self, session: Session, items: list[Item]) -> list[tuple[Item, str]]:
        """Gives the items' events to the handlers; those items that could not be read, each with its reason."""
        await self._consumers.handle(session, by_kind(items))
        return [(item, item.reason) for item in items if item.reason is not None]

    async def _bisect(self, session: Session, items: list[Item]) -> list[tuple[Item, str]]:
        """Applies all that can be applied; the ones that cannot, each with its reason."""
        if not items:
            return []
        told = len(session.info.get("outbox", []))
        for left in range(_TRIES - 1, -1, -1):
            try:
                async with savepoint(session):
                    return await self._handle(session, items)
            except Exception as error:
                if is_transient(error):
                    raise
                del session.info.get("outbox", [])[told:]
                if len(items) > 1:
                    break
                # What a rule or the database says of the data is final; anything else may have been an accident.
                if is_about_data(error) or not left:
                    return [(items[0], reason_of(error))]
        half = len(items) // 2
        return [*await self._bisect(session, items[:half]), *await self._bisect(session, items[half:])]

    def behind(self) -> dict[Partition, int]:
        """How many records of each partition that is here are not applied yet, as far as the last fetch has told."""
        ends = self._consumer.ends() if self._consumer else {}
        positions = self._buffers.positions()
        return {
            partition: max(0, end - positions[partition]) for partition, end in ends.items() if partition in positions
        }

    def newest_tick(self) -> datetime:
        """The latest tick fetched, whether or not it could be applied yet; BEGINNING before the first."""
        return self._buffers.newest_tick

    async def _show(self, consumer: Consumer) -> None:
        positions = self._buffers.positions()
        # Who stops somewhere leaves no trace in Kafka, where it would lag for ever.
        if self._until is None and positions and time.monotonic() - self._shown > _SHOW_EVERY:
            self._shown = time.monotonic()
            with suppress(KafkaError):
                await consumer.show_positions(positions)

    async def _reload(self) -> None:
        if self._consumer is not None:
            await self.assigned(self._consumer.assignment())

    async def revoked(self) -> None:
        async with self._busy:
            self._buffers.reset({})

    async def assigned(self, partitions: list[Partition]) -> None:
        """Seeks each partition to its stored position; a partition never read begins where its log begins."""
        if not partitions or self._consumer is None:
            return
        async with self._busy:
            bounds = await self._consumer.bounds(partitions)
            async with self._database.transaction() as session:
                for partition in partitions:
                    await inbox.add_position(session, partition, bounds[partition][0])
                positions = await inbox.get_positions(session, partitions)
                self._clock = await get_clock(session)
            # Looked up once more, or a position that somebody has just moved would lie beyond an end of long ago.
            bounds = await self._consumer.bounds(partitions)
            for partition, (offset, _) in positions.items():
                first, last = bounds[partition]
                if not first <= offset <= last:
                    raise PositionLost(f"{partition}: stored position {offset}, but the log holds {first} to {last}")
                self._consumer.seek(partition, offset)
            self._consumer.resume(partitions)
            self._buffers.reset(positions)
        log.info("partitions.assigned", positions={f"{t}/{n}": offset for (t, n), (offset, _) in positions.items()})


def _end_if_told() -> None:
    """The client, while it is closed, swallows that its caller was cancelled meanwhile."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _counted(batch: Batch, refused: list[tuple[Item, str]]) -> dict[Partition, inbox.Step]:
    """The batch's steps with how many records were applied and how many parked."""
    parked: dict[Partition, int] = {}
    for item, _ in refused:
        partition = (item.record.topic, item.record.partition)
        parked[partition] = parked.get(partition, 0) + 1
    for partition, step in batch.steps.items():
        step.parked = parked.get(partition, 0)
        step.applied = step.next_offset - step.offset - step.ticks - step.parked
    return batch.steps
