"""A service's clock: the smallest tick over all partitions of its inputs. It moves under the lock of its row."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared import failpoints, outbox
from shared.clock import BEGINNING
from shared.database import Database, ReadSession, Session, execute, fetch_one, fetch_value

_CLOCK = "SELECT at FROM clock WHERE one = 1"
_HELD = f"{_CLOCK} FOR UPDATE"
_SHARED = f"{_CLOCK} FOR SHARE"
_FREE = f"{_CLOCK} FOR UPDATE SKIP LOCKED"
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


# Does some of what is due at the tick; False when more is left, which the next transaction goes on with. For
# `decide_piece`, which is called beside others who do the same: False when there is none that nobody else is at.
Decide = Callable[[Session, Now], Awaitable[bool]]


class _Unmoved(Exception):
    """Undoes a transaction that did nothing but lock the clock: to commit even that waits for the disk."""


async def get_clock(session: ReadSession) -> datetime:
    """The last tick that was decided; BEGINNING before the first."""
    return await fetch_value(session, "SELECT at FROM clock WHERE one = 1") or BEGINNING


class Timekeeper:
    def __init__(
        self,
        database: Database,
        info: dict[str, Any],
        topics: list[str],
        decide: Decide,
        *,
        tells: bool,
        decide_piece: Decide | None = None,
    ) -> None:
        self._database = database
        self._info = info
        self._topics = topics
        self._decide = decide
        self._tells = tells
        self._decide_piece = decide_piece
        # Whether the last decision said that more is left, so that there may be pieces.
        self._left = False

    async def run(self) -> datetime:
        """Decides as long as the inputs allow a later tick; the clock when nothing is left to decide."""
        # Whoever has the clock may be at a piece: then there is more to do than wait.
        waits = self._decide_piece is None
        while True:
            while self._left:
                self._left, waits = await self._help(), True
            clock, finished = await self._decide_alone(_HELD if waits else _FREE)
            if finished:
                return clock

    async def _decide_alone(self, lock: str) -> tuple[datetime, bool]:
        """The clock, and whether nothing is left to decide."""
        clock, finished = BEGINNING, False
        with suppress(_Unmoved):
            async with self._database.transaction() as session:
                session.info.update(self._info)
                # The lock makes the smallest tick be read after whoever decided before us has committed.
                found = await fetch_one(session, lock)
                if found is None:
                    self._left = True
                    raise _Unmoved
                clock, finished = await self._move(session, found["at"])
                if clock == found["at"]:
                    raise _Unmoved
        return clock, finished

    async def _help(self) -> bool:
        """Decides a piece of the tick, as others may do at the same time; False if there is none to be had."""
        if self._decide_piece is None:
            return False
        with suppress(_Unmoved):
            async with self._database.transaction() as session:
                session.info.update(self._info)
                # Shared with whoever decides another piece; nobody moves the clock, and with it the tick, meanwhile.
                now = await self._next(session, await fetch_value(session, _SHARED) or BEGINNING)
                if now is None or not await self._decide_piece(session, now):
                    raise _Unmoved
                await outbox.flush(session)
                failpoints.hit("in_clock")
            return True
        return False

    async def join(self, session: Session) -> datetime | None:
        """Decides in the transaction that brought the tick; None if that is left to `run`.

        It never waits for the clock: who holds rows of a batch and waits for it could be waited for in turn.
        """
        found = await fetch_one(session, _FREE)
        if found is None:
            return None
        at, finished = await self._move(session, found["at"])
        return at if finished else None

    async def _move(self, session: Session, clock: datetime) -> tuple[datetime, bool]:
        now = await self._next(session, clock)
        if now is None:
            return clock, True
        finished = await self._decide(session, now)
        self._left = not finished
        if finished:
            await execute(session, "UPDATE clock SET at = $1 WHERE one = 1", now.at)
        await outbox.flush(session, tick_at=now.at if finished and self._tells else None)
        failpoints.hit("in_clock")
        # Whoever moves an input further runs the clock again.
        return now.at, finished

    async def _next(self, session: ReadSession, clock: datetime) -> Now | None:
        """The tick that the inputs allow to be decided, if it is a later one."""
        lowest = await fetch_value(session, _LOWEST, self._topics, len(self._topics))
        return Now(at=lowest, previous=clock) if lowest is not None and lowest > clock else None
