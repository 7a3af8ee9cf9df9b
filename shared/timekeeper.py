"""A service's clock: the smallest tick over all partitions of its inputs. It moves in transactions of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import failpoints, outbox
from shared.clock import BEGINNING
from shared.database import Database, ReadSession, Session, execute, fetch_value

_LOWEST = """
SELECT CASE WHEN count(*) = $2::int AND bool_and(known = expected AND lowest IS NOT NULL) THEN min(lowest) END
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
            at, again = await self._step()
            if not again:
                return at

    async def _step(self) -> tuple[datetime, bool]:
        async with self._database.transaction() as session:
            session.info.update(self._info)
            # The lock makes the smallest tick be read after whoever decided before us has committed.
            clock = await fetch_value(session, "SELECT at FROM clock WHERE one = 1 FOR UPDATE") or BEGINNING
            lowest = await fetch_value(session, _LOWEST, self._topics, len(self._topics))
            if lowest is None or lowest <= clock:
                return clock, False
            finished = await self._decide(session, Now(at=lowest, previous=clock))
            if finished:
                await execute(session, "UPDATE clock SET at = $1 WHERE one = 1", lowest)
            await outbox.flush(session, tick_at=lowest if finished and self._tells else None)
            failpoints.hit("in_clock")
        # Whoever moves an input further runs the clock again.
        return lowest, not finished
