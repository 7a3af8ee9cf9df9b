"""Fetched records with what they say, and those of them that are applied together."""

from collections.abc import Callable, Iterable, Iterator
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


class Nothing(Event, frozen=True, kw_only=True):
    """The kind of a record that says nothing to anybody here. There are none of it: it is not decoded."""


# What is known of a record from a look at its bytes: the kind of event that it is if it can be read, or nothing yet.
Glance = Callable[[bytes], type[Event] | None]


class Item(msgspec.Struct, gc=False):
    """A record and what it says: an event of this `kind`, a `reason` why it cannot be read, or nothing to anybody here.

    Decoded on arrival (`event`) only where its first bytes do not tell the kind. Whatever is decoded long before it is
    used has left the processor's cache by then, and waits in memory as a dozen objects instead of one.
    """

    record: Record
    kind: type[Event] | None = None
    event: Event | None = None
    reason: str | None = None

    def said(self) -> Event | None:
        """The event; None if it cannot be read, for which there is a `reason` from then on."""
        if self.event is not None or self.reason is not None:
            return self.event
        found = read(self.record)
        if found.kind is self.kind:
            return found.event
        self.record, self.reason = found.record, found.reason or "its type is given twice"
        return None

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


class Heard(Iterable[Event]):
    """Events of some items, decoded one after the other whenever somebody goes through them, and not kept."""

    def __init__(self, items: list[Item]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Event]:
        for item in self._items:
            # As `said` would, without a call and another item for each of those that are in order.
            try:
                event = decode(item.record.value) if item.event is None and item.reason is None else item.said()
            except Undecodable:
                event = item.said()
            if event is not None:
                yield event


def by_kind(items: Iterable[Item]) -> dict[type[Event], Heard]:
    """What the items say that can be read, by type."""
    found: dict[type[Event], list[Item]] = {}
    for item in items:
        if item.kind is not None:
            found.setdefault(item.kind, []).append(item)
    return {kind: Heard(some) for kind, some in found.items()}


def read(record: Record) -> Item:
    """What a record says, in whichever of CloudEvents' modes."""
    try:
        event = decode(record.value)
    except Undecodable as error:
        record, reason = restated(record) or (record, str(error))
        return Item(record, reason=reason) if reason else read(record)
    if isinstance(event, ClockTicked) and event.data.at > wall() + _AHEAD:
        return Item(record, reason="a tick more than 60 s ahead of this machine's clock")
    return Item(record, type(event), event)
