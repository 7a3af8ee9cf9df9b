"""Applies parked records again when somebody has asked for it; runs in the worker, beside the batches."""

import asyncio
from typing import Any

from shared import outbox
from shared.consuming import Consumers, by_type
from shared.database import Database, Session, execute, fetch_one, is_transient, savepoint
from shared.events import ClockTicked
from shared.events.codec import Undecodable, decode
from shared.parked import reason_of
from shared.telemetry import log

_EVERY = 1.0

_NEXT = """
SELECT topic, partition, record_offset, body FROM parked WHERE retry_requested_at IS NOT NULL
ORDER BY topic, partition, record_offset LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class Retrier:
    def __init__(self, database: Database, consumers: Consumers, info: dict[str, Any]) -> None:
        self._database = database
        self._consumers = consumers
        self._info = info

    async def run(self) -> None:
        while True:
            try:
                while await self.retry_one():
                    pass
            except Exception as error:
                if not is_transient(error):
                    raise
            await asyncio.sleep(_EVERY)

    async def retry_one(self) -> bool:
        """One parked record: applied and taken out, or parked with a new reason. False when none is asked for."""
        async with self._database.transaction() as session:
            session.info.update(self._info)
            row = await fetch_one(session, _NEXT)
            if row is None:
                return False
            place = (row["topic"], row["partition"], row["record_offset"])
            reason = await self._try(session, row["body"])
            await (_took_effect(session, place) if reason is None else _failed(session, place, reason))
            await outbox.flush(session)
        log.info("event.retried", topic=place[0], partition=place[1], offset=place[2], reason=reason)
        return True

    async def _try(self, session: Session, body: bytes | None) -> str | None:
        try:
            event = decode(body)
            if isinstance(event, ClockTicked):
                return "a tick is never applied late"
            async with savepoint(session):
                await self._consumers.handle(session, by_type([event]))
        except Undecodable as error:
            return str(error)
        except Exception as error:
            if is_transient(error):
                raise
            session.info.pop("outbox", None)
            return reason_of(error)
        return None


async def _took_effect(session: Session, place: tuple[str, int, int]) -> None:
    await execute(session, "DELETE FROM parked WHERE topic = $1 AND partition = $2 AND record_offset = $3", *place)
    await execute(
        session,
        "UPDATE inbox SET parked = parked - 1, applied = applied + 1 WHERE topic = $1 AND partition = $2",
        *place[:2],
    )


async def _failed(session: Session, place: tuple[str, int, int], reason: str) -> None:
    await execute(
        session,
        """UPDATE parked SET attempts = attempts + 1, reason = $4, retry_requested_at = NULL
           WHERE topic = $1 AND partition = $2 AND record_offset = $3""",
        *place,
        reason,
    )
