"""Fetched records with what they say, and those of them that are applied together."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from shared.clock import wall
from shared.events import ClockTicked, Event
from shared.events.binary import restated
from shared.events.codec import Undecodable, decode
from shared.inbox import Partition, Record, Step
from shared.parked import Parked

# A tick cannot be taken back: one from a clock that runs ahead is not believed.
_AHEAD = timedelta(seconds=60)


class Item(msgspec.Struct, gc=False):
    """A record and what it says: an event, a `reason` why it cannot be read, or neither when nobody here listens."""

    record: Record
    event: Event | None
    reason: str | None = None

    def parked(self, reason: str) -> Parked:
        record = self.record
        return Parked(record.topic, record.partition, record.offset, record.key, record.value, reason)


@dataclass(slots=True)
class Batch:
    """Items of several partitions that are applied in one transaction, which may also have `decided` up to a tick."""

    steps: dict[Partition, Step] = field(default_factory=dict[Partition, Step])
    events: list[Item] = field(default_factory=list[Item])
    unreadable: list[Item] = field(default_factory=list[Item])
    size: int = 0
    decided: datetime | None = None

    @property
    def has_tick(self) -> bool:
        return any(step.ticks for step in self.steps.values())

    def tick_of(self, partition: Partition) -> datetime | None:
        """The last tick that it holds of the partition."""
        step = self.steps.get(partition)
        return step.tick_at if step else None


def read(record: Record) -> Item:
    """What a record says, in whichever of CloudEvents' modes."""
    try:
        event = decode(record.value)
    except Undecodable as error:
        record, reason = restated(record) or (record, str(error))
        return Item(record, None, reason) if reason else read(record)
    if isinstance(event, ClockTicked) and event.data.at > wall() + _AHEAD:
        return Item(record, None, "a tick more than 60 s ahead of this machine's clock")
    return Item(record, event)
