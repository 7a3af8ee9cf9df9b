"""How far each input partition has been applied, kept in the same transaction as the effects.

A position is moved by compare-and-set: whoever finds another value there has been overtaken and must begin again.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from shared.database import Session, execute, fetch

Partition = tuple[str, int]

# Records: as many are fetched at once and applied in one transaction. Whoever comes in many of them is told once; more
# than that, and a worker is too large.
BATCH = 25_000


class Record(msgspec.Struct, frozen=True, gc=False):
    """What stands in a partition at `offset`; `timestamp` in milliseconds, by the clock of whoever sent it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0


class Overtaken(Exception):
    """Somebody else has moved a position; roll back, read the positions again and go on from there."""


@dataclass(slots=True)
class Step:
    """What one batch takes from one partition; `next_offset` replaces `offset` or nothing happens."""

    offset: int
    next_offset: int
    applied: int = 0
    parked: int = 0
    ticks: int = 0
    tick_at: datetime | None = None
    tick_partitions: int | None = None


async def get_positions(session: Session, partitions: list[Partition]) -> dict[Partition, tuple[int, datetime | None]]:
    """The next offset and the last tick of each partition that has been read before."""
    rows = await fetch(
        session,
        """SELECT topic, partition, next_offset, tick_at FROM inbox
           JOIN unnest($1::text[], $2::int[]) AS wanted(topic, partition) USING (topic, partition)""",
        [topic for topic, _ in partitions],
        [number for _, number in partitions],
    )
    return {(row["topic"], row["partition"]): (row["next_offset"], row["tick_at"]) for row in rows}


async def add_position(session: Session, partition: Partition, first_offset: int) -> None:
    """Begins a partition that was never read."""
    await execute(
        session,
        """INSERT INTO inbox (topic, partition, first_offset, next_offset) VALUES ($1, $2, $3, $3)
           ON CONFLICT DO NOTHING""",
        *partition,
        first_offset,
    )


async def advance(session: Session, steps: dict[Partition, Step]) -> None:
    """Moves all positions, or raises Overtaken and moves none."""
    ordered = sorted(steps.items())
    moved = await execute(
        session,
        """UPDATE inbox SET next_offset = s.next_offset, applied = inbox.applied + s.applied,
                  parked = inbox.parked + s.parked, ticks = inbox.ticks + s.ticks,
                  tick_at = greatest(inbox.tick_at, s.tick_at),
                  tick_partitions = greatest(inbox.tick_partitions, s.tick_partitions)
           FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                       $8::timestamptz[], $9::int[])
                AS s(topic, partition, old_offset, next_offset, applied, parked, ticks, tick_at, tick_partitions)
           WHERE inbox.topic = s.topic AND inbox.partition = s.partition AND inbox.next_offset = s.old_offset""",
        [topic for (topic, _), _ in ordered],
        [number for (_, number), _ in ordered],
        [step.offset for _, step in ordered],
        [step.next_offset for _, step in ordered],
        [step.applied for _, step in ordered],
        [step.parked for _, step in ordered],
        [step.ticks for _, step in ordered],
        [step.tick_at for _, step in ordered],
        [step.tick_partitions for _, step in ordered],
    )
    if moved != len(steps):
        raise Overtaken(f"{len(steps) - moved} of {len(steps)} positions were moved by somebody else")
