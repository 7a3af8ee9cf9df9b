"""`comeback retell`: one service tells all it knows anew, so that the others agree with it again (runbooks/restore)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import asyncpg
import typer
from rich.progress import Progress

from deploy.local.errors import StackError
from deploy.local.names import SERVICES
from services.coupons import worker as coupons
from services.profile import worker as profile
from services.segmentation import worker as segmentation
from services.targeting import worker as targeting
from shared import outbox
from shared.database import Database, Session, connect, is_transient
from shared.ids import Ids
from tools.asking import database_of, the_stack
from tools.output import complain, err, out

# Tells the next few things after a key, at most about so many: how many they were, and the key to go on after.
Retelling = Callable[[Session, str, int], Awaitable[tuple[int, str | None]]]
Show = Callable[[str, int], None]

TELLERS: dict[str, Mapping[str, Retelling]] = {
    "profile": profile.retellings,
    "segmentation": segmentation.retellings,
    "targeting": targeting.retellings,
    "coupons": coupons.retellings,
}
_CHUNK = 2_000
# A chunk is a row of the outbox: with so many waiting there, the relay has not kept up.
_FULL = 20
_PAUSE = 0.05
_TRIES = 10
_BACK_OFF = 0.5

_WAITING = f"SELECT count(*) >= {_FULL} FROM (SELECT FROM outbox LIMIT {_FULL}) AS waiting"
_RELAYED = f"""SELECT EXISTS (SELECT FROM pg_locks
               WHERE locktype = 'advisory' AND granted AND objid = {outbox.RELAY_LOCK}
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"""


def retell(service: Annotated[str, typer.Argument(help=f"Who tells: {', '.join(TELLERS)}.")]) -> None:
    """Have a service tell all it knows anew: after a restore, or to fill a new consumer. Harmless to repeat.

    Facts are the same events with the same ids, states have new versions. It works while everything runs. Metrics
    tells nothing.
    """
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service}; there are {', '.join(SERVICES)}")
    if service not in TELLERS:
        complain(f"{service} tells nothing, so there is nothing to retell. Who tells: {', '.join(TELLERS)}.")
        raise typer.Exit(2)
    stack = the_stack()
    try:
        asyncio.run(_retell(database_of(stack, service), service, stack.secret))
    except asyncpg.UndefinedTableError as error:
        raise StackError(f"{service} has no tables yet: `comeback stack up` makes them.") from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = str(error) or "it took too long"
        raise StackError(f"{service}'s database does not answer: {reason}. Run it again: nothing is lost.") from error


async def _retell(url: str, service: str, secret: str) -> None:
    watch = await connect(url)
    try:
        totals = {table: await watch.fetchval(f"SELECT count(*) FROM {table}") for table in TELLERS[service]}
        if not await watch.fetchval(_RELAYED):
            complain(f"No relay is running: what is told waits in the outbox until {service}'s worker runs.")
        with Progress(console=err, disable=not err.is_terminal) as progress:
            tasks = {table: progress.add_task(table.replace("_", " "), total=total) for table, total in totals.items()}
            told = await tell_anew(url, service, secret, lambda table, count: progress.advance(tasks[table], count))
    finally:
        await watch.close()
    out.print(f"{service} has told anew: {', '.join(f'{count:,} {_noun(table)}' for table, count in told.items())}.")


def _noun(table: str) -> str:
    return {"lifecycle_states": "stages", "known_decisions": "answers without a coupon"}.get(table, table)


async def tell_anew(url: str, service: str, secret: str, show: Show = lambda _table, _count: None) -> dict[str, int]:
    """Everything, in pieces of one transaction each, no faster than a relay takes it; how much of each table."""
    database = Database(url, size=1)
    watch = await connect(url)
    info = {"service": service, "ids": Ids(secret)}
    told = dict.fromkeys(TELLERS[service], 0)
    try:
        for table, tell in TELLERS[service].items():
            after: str | None = ""
            while after is not None:
                await _await_relay(watch)
                count, after = await _tell_some(database, info, tell, after)
                told[table] += count
                show(table, count)
    finally:
        await watch.close()
        await database.close()
    return told


async def _await_relay(watch: Any) -> None:
    # Where nobody relays there is nothing to wait for: the outbox keeps it.
    while await watch.fetchval(_WAITING) and await watch.fetchval(_RELAYED):  # noqa: ASYNC110  (nothing but asking tells)
        await asyncio.sleep(_PAUSE)


async def _tell_some(database: Database, info: dict[str, Any], tell: Retelling, after: str) -> tuple[int, str | None]:
    for left in range(_TRIES - 1, -1, -1):
        try:
            async with database.transaction() as session:
                session.info.update(info)
                done = await tell(session, after, _CHUNK)
                await outbox.flush(session)
            return done
        except Exception as error:
            if not left or not is_transient(error):
                raise
            await asyncio.sleep(_BACK_OFF)
    raise AssertionError("the last try returns or raises")
