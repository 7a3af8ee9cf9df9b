"""A service's clock: the smallest tick over all partitions of its inputs. It moves under the lock of its row."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import failpoints, outbox
from shared.clock import BEGINNING
from shared.database import Database, ReadSession, Session, execute, fetch_one, fetch_value

_CLOCK = "SELECT at FROM clock WHERE one = 1"
_LOWEST = """
SELECT CASE WHEN count(*) = $2::int AND bool_and(known >= expected AND lowest IS NOT NULL) THEN min(lowest) END
FROM (SELECT topic, count(tick_at) AS known, max(tick_partitions) AS expected,
             CASE WHEN bool_and(tick_at IS NOT NULL) THEN min(tick_at) END AS lowest
      FROM inbox WHERE topic = ANY($1) GROUP BY topic) AS by_topic
"""


@dataclass(frozen=True, slots=True)
class Now:
    """The tick that is being decided: everything up to `at` is known; `previous` was decided before."""

    at: datetime
    previous: datetime


# Does some of what is due at the tick; False when more is left, which the next transaction goes on with.
Decide = Callable[[Session, Now], Awaitable[bool]]


class _Unmoved(Exception):
    """Undoes a transaction that did nothing but lock the clock: to commit even that waits for the disk."""

    def __init__(self, clock: datetime) -> None:
        self.clock = clock


async def get_clock(session: ReadSession) -> datetime:
    """The last tick that was decided; BEGINNING before the first."""
    return await fetch_value(session, "SELECT at FROM clock WHERE one = 1") or BEGINNING


class Timekeeper:
    def __init__(
        self, database: Database, info: dict[str, Any], topics: list[str], decide: Decide, *, tells: bool
    ) -> None:
        self._database = database
        self._info = info
        self._topics = topics
        self._decide = decide
        self._tells = tells

    async def run(self) -> datetime:
        """Decides as long as the inputs allow a later tick; the clock when nothing is left to decide."""
        while True:
            try:
                async with self._database.transaction() as session:
                    session.info.update(self._info)
                    # The lock makes the smallest tick be read after whoever decided before us has committed.
                    clock = await fetch_value(session, f"{_CLOCK} FOR UPDATE") or BEGINNING
                    at, finished = await self._move(session, clock)
                    if at == clock:
                        raise _Unmoved(clock)
            except _Unmoved as unmoved:
                return unmoved.clock
            if finished:
                return at

    async def join(self, session: Session) -> datetime | None:
        """Decides in the transaction that brought the tick; None if that is left to `run`.

        It never waits for the clock: who holds rows of a batch and waits for it could be waited for in turn.
        """
        found = await fetch_one(session, f"{_CLOCK} FOR UPDATE SKIP LOCKED")
        if found is None:
            return None
        at, finished = await self._move(session, found["at"])
        return at if finished else None

    async def _move(self, session: Session, clock: datetime) -> tuple[datetime, bool]:
        lowest = await fetch_value(session, _LOWEST, self._topics, len(self._topics))
        if lowest is None or lowest <= clock:
            return clock, True
        finished = await self._decide(session, Now(at=lowest, previous=clock))
        if finished:
            await execute(session, "UPDATE clock SET at = $1 WHERE one = 1", lowest)
        await outbox.flush(session, tick_at=lowest if finished and self._tells else None)
        failpoints.hit("in_clock")
        # Whoever moves an input further runs the clock again.
        return lowest, finished
