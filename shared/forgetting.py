"""Old answers to repeated requests are forgotten; runs in the worker, beside the batches."""

import asyncio
from datetime import timedelta

from shared.database import Database, execute, is_transient
from shared.telemetry import log

KEPT = timedelta(days=7)
_EVERY = 600.0
_CHUNK = 5_000
_FORGET = """
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency_keys WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2))
"""


async def forget_forever(database: Database) -> None:
    """Every ten minutes; until it is cancelled."""
    while True:
        try:
            await forget_answers(database)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("forgetting.waiting", reason=repr(error))
        await asyncio.sleep(_EVERY)


async def forget_answers(database: Database) -> int:
    """Deletes the stored answers that are older than KEPT, a chunk a transaction; how many they were."""
    forgotten = 0
    while True:
        async with database.transaction() as session:
            deleted = await execute(session, _FORGET, KEPT, _CHUNK)
        forgotten += deleted
        if deleted < _CHUNK:
            return forgotten
