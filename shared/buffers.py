"""Fetched records waiting to be applied, and which of them may be applied now: reading is aligned by ticks."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter

from shared.batches import Batch, Glance, Item, Nothing, read
from shared.clock import BEGINNING
from shared.events import ClockTicked
from shared.inbox import BATCH, Partition, Record, Step

_HIGH = 5_000
_LOW = 1_000
# Stands for each record that says nothing to anybody here: how many they are is all that counts.
_PASSED = Item(Record("", 0, 0))


class PositionLost(Exception):
    """The log no longer has the stored position: a person must decide (docs/runbooks/position-lost.md)."""


@dataclass(slots=True)
class Buffer:
    """One assigned partition: `offset` is applied next, `fetched` is fetched next, `tick_at` is its last tick."""

    offset: int
    fetched: int
    tick_at: datetime | None
    aligned: bool
    items: deque[Item] = field(default_factory=deque[Item])
    ticks: int = 0
    # How many items are more than a position: events that somebody here listens to, ticks, unreadable bytes.
    matter: int = 0
    paused: bool = False

    def held(self, clock: datetime) -> bool:
        """Whether nothing may be applied before the service's clock has reached this partition's last tick."""
        return self.aligned and self.tick_at is not None and self.tick_at > clock


class Buffers:
    """`glance`: what is known of a record from a look at its bytes (`Consumers.glance`); nothing unless told."""

    def __init__(self, clocked: list[str], *, skips_ticks: bool, glance: Glance = lambda _: None) -> None:
        self._clocked = set(clocked)
        self._skips_ticks = skips_ticks
        self._glance = glance
        self._parts: dict[Partition, Buffer] = {}
        self.newest_tick = BEGINNING

    def reset(self, positions: dict[Partition, tuple[int, datetime | None]]) -> None:
        """Forgets everything fetched and goes on from the stored positions."""
        self._parts = {
            partition: Buffer(offset, offset, tick_at, partition[0] in self._clocked and not self._skips_ticks)
            for partition, (offset, tick_at) in positions.items()
        }

    def positions(self) -> dict[Partition, int]:
        return {partition: part.offset for partition, part in self._parts.items()}

    def worth_applying(self, clock: datetime) -> bool:
        """Whether there is a good batch, or all that there will be before the clock moves."""
        return self._complete(clock) or sum(len(part.items) for part in self._parts.values()) >= _LOW

    def _complete(self, clock: datetime) -> bool:
        """Whether every clocked partition here has a tick that the clock has not reached, waiting or taken."""
        clocked = [part for (topic, _), part in self._parts.items() if topic in self._clocked]
        return all(part.ticks or (part.tick_at or BEGINNING) > clock for part in clocked)

    def clock_may_move(self, clock: datetime, batch: Batch) -> bool:
        """Whether the batch leaves every clocked partition here past the clock; one that is not holds it."""
        if not batch.has_tick:
            return False
        clocked = [(key, part.tick_at) for key, part in self._parts.items() if key[0] in self._clocked]
        return all((batch.tick_of(key) or tick_at or BEGINNING) > clock for key, tick_at in clocked)

    def matters(self, clock: datetime) -> bool:
        """Whether something that may be applied changes a fact or moves the clock, or there is much of it.

        Ticks alone are worth a transaction when they are all there.
        """
        free = {key: part for key, part in self._parts.items() if part.items and not part.held(clock)}
        if any(part.matter > part.ticks for part in free.values()):
            return True
        ticked = any(part.ticks for (topic, _), part in free.items() if topic in self._clocked)
        return (ticked and self._complete(clock)) or sum(len(part.items) for part in free.values()) >= _LOW

    def waiting(self) -> bool:
        """Whether something fetched must wait for the clock."""
        return any(part.items for part in self._parts.values())

    def arrive(self, partition: Partition, records: list[Record]) -> None:
        part = self._parts.get(partition)
        if part is None:
            return
        glance, arrived = self._glance, part.items.append
        for record in _in_order(partition, part.fetched, records):
            # The same for each of thousands, most of which say nothing to anybody here.
            value = record.value
            kind = None if value is None else glance(value)
            if kind is Nothing:
                arrived(_PASSED)
            elif kind is not None:
                arrived(Item(record, kind))
                part.matter += 1
            else:
                arrived(self._read(part, record))
            part.fetched += 1

    def _read(self, part: Buffer, record: Record) -> Item:
        part.matter += 1
        item = read(record)
        if type(item.event) is ClockTicked:
            part.ticks += 1
            self.newest_tick = max(self.newest_tick, item.event.data.at)
        return item

    def full(self) -> list[Partition]:
        """Partitions that hold enough and are to be paused; each is named once."""
        found = [key for key, part in self._parts.items() if not part.paused and len(part.items) > _HIGH]
        for key in found:
            self._parts[key].paused = True
        return found

    def drained(self) -> list[Partition]:
        """Paused partitions that may be read again; each is named once."""
        found = [key for key, part in self._parts.items() if part.paused and len(part.items) < _LOW]
        for key in found:
            self._parts[key].paused = False
        return found

    def take(self, clock: datetime) -> Batch:
        """What may be applied now: of each partition up to its next tick. Takes nothing out; `applied` does."""
        batch = Batch()
        for partition, part in sorted(self._parts.items()):
            if part.items and not part.held(clock) and batch.size < BATCH:
                self._take_some(partition, part, batch)
        return batch

    def _take_some(self, partition: Partition, part: Buffer, batch: Batch) -> None:
        step = Step(part.offset, part.offset)
        for item in islice(part.items, BATCH - batch.size):
            step.next_offset += 1
            if item is _PASSED:
                continue
            if item.reason is not None:
                batch.unreadable.append(item)
            elif type(item.event) is ClockTicked:
                self._note_tick(step, item.event)
                if part.aligned:
                    break
            elif item.kind is not None:
                batch.events.append(item)
        batch.size += step.next_offset - step.offset
        batch.steps[partition] = step

    @staticmethod
    def _note_tick(step: Step, event: ClockTicked) -> None:
        step.ticks += 1
        step.tick_at = max(step.tick_at or BEGINNING, event.data.at)
        step.tick_partitions = max(step.tick_partitions or 0, event.data.partitions)

    def applied(self, batch: Batch) -> None:
        """Takes out what has been committed."""
        for partition, step in batch.steps.items():
            part = self._parts.get(partition)
            if part is None or part.offset != step.offset:
                continue
            for _ in range(step.next_offset - step.offset):
                part.matter -= part.items.popleft() is not _PASSED
            part.offset = step.next_offset
            part.ticks -= step.ticks
            if step.tick_at is not None:
                part.tick_at = max(part.tick_at or BEGINNING, step.tick_at)


def _in_order(partition: Partition, offset: int, records: list[Record]) -> list[Record]:
    """Those of the records that stand from `offset` on; raises PositionLost if one in front of them is gone."""
    new = records[bisect_left(records, offset, key=attrgetter("offset")) :]
    # Offsets only grow: where the last is as far away as there are records, none is missing in front of it.
    if new and new[-1].offset - offset + 1 != len(new):
        gone, after = next((at, record.offset) for at, record in enumerate(new, offset) if record.offset != at)
        raise PositionLost(f"{partition}: offset {gone} is gone, the log goes on at {after}")
    return new
