"""What a worker says of itself: a line and figures for each batch; once a second lag, clock, outbox and parked."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from shared import metrics
from shared.batches import Batch, Item
from shared.clock import BEGINNING, wall
from shared.database import Database, fetch_one, is_transient
from shared.events import short_type
from shared.inbox import Partition
from shared.telemetry import log

_EVERY = 1.0
_STATE = """
SELECT (SELECT at FROM clock WHERE one = 1) AS clock, (SELECT count(*) FROM parked) AS parked, rows,
       coalesce(extract(epoch FROM greatest(clock_timestamp() - oldest, interval '0')), 0)::float AS age
FROM (SELECT count(*) AS rows, min(created_at) AS oldest FROM outbox) AS waiting
"""


def report(batch: Batch, refused: list[tuple[Item, str]], seconds: float) -> None:
    """One line and the figures of a batch that was committed, and a line for each record that was put aside."""
    types = _types(batch.events) - _types(item for item, _ in refused)
    metrics.BATCH_RECORDS.observe(batch.size)
    metrics.BATCH_DURATION.observe(seconds)
    for name, count in types.items():
        metrics.EVENTS_APPLIED.labels(name).inc(count)
    positions = {f"{topic}/{number}": step.next_offset for (topic, number), step in batch.steps.items()}
    if types or refused:
        log.info("batch.applied", types=types, positions=positions, parked=len(refused), ms=round(seconds * 1e3, 1))
    for item, reason in refused:
        event = item.said()
        metrics.PARKED.labels("refused" if event else "unreadable").inc()
        log.warning(
            "event.parked",
            type=short_type(event) if event else None,
            id=event.id if event else None,
            topic=item.record.topic,
            partition=item.record.partition,
            offset=item.record.offset,
            reason=reason,
        )


def _types(items: Iterable[Item]) -> Counter[str]:
    """Those that can be read, as far as anybody knows: what has a reason may have got it in an earlier try."""
    found = Counter(item.kind for item in items if item.kind is not None and item.reason is None)
    return Counter({short_type(event_type): count for event_type, count in found.items()})


class Watched(Protocol):
    """What a worker knows of itself."""

    def behind(self) -> dict[Partition, int]: ...

    def newest_tick(self) -> datetime: ...


class Watch:
    """`wall_clock`: the newest instant is the wall's; else it is that of the newest tick fetched."""

    def __init__(self, database: Database, worker: Watched, *, wall_clock: bool) -> None:
        self._database = database
        self._worker = worker
        self._wall_clock = wall_clock
        self._shown: set[Partition] = set()

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Sets all figures to what is true now; a partition that is no longer here has none."""
        self._show_lag(self._worker.behind())
        async with self._database.transaction() as session:
            state = await fetch_one(session, _STATE)
        clock = _seconds(state["clock"] or BEGINNING)
        newest = wall() if self._wall_clock else self._worker.newest_tick()
        metrics.CLOCK.set(clock)
        metrics.LAG_SECONDS.set(max(0.0, _seconds(newest) - clock))
        metrics.PARKED_ROWS.set(state["parked"])
        metrics.OUTBOX_ROWS.set(state["rows"])
        metrics.OUTBOX_AGE.set(state["age"])

    def _show_lag(self, behind: dict[Partition, int]) -> None:
        for (topic, number), events in behind.items():
            metrics.LAG_EVENTS.labels(topic, number).set(events)
        for topic, number in self._shown - behind.keys():
            metrics.LAG_EVENTS.remove(topic, number)
        self._shown = set(behind)


def _seconds(at: datetime) -> float:
    return 0.0 if at == BEGINNING else at.timestamp()
