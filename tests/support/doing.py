"""What the worker does, done by hand: apply a batch, run a tick, see what was told; and a client at the HTTP door."""

import secrets
from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from shared import inbox, outbox
from shared.clock import BEGINNING
from shared.consuming import Consumers, by_type
from shared.database import Database, Session, execute, fetch, fetch_value
from shared.events import Event
from shared.events.codec import decode
from shared.http import keys
from shared.http.door import Door
from shared.ids import Ids
from shared.settings import ServiceSettings
from shared.timekeeper import Decide, Now
from tests.support.documented import Documented

SECRET = "a secret that only tests know"
IDS = Ids(SECRET)


async def apply(database: Database, service: str, consumers: Consumers, events: Sequence[Event], **info: Any) -> None:
    """One batch in one transaction; `info` is what the service's worker puts into its wiring."""
    async with database.transaction() as session:
        session.info.update({"service": service, "ids": IDS, **info})
        await consumers.handle(session, by_type(events))
        await outbox.flush(session)


async def tick(
    database: Database, service: str, decide: Decide, at: datetime, decide_piece: Decide | None = None, **info: Any
) -> None:
    """The service's clock moves to `at`, in as many transactions as `decide` wants, and by pieces where it divides."""
    finished = False
    while not finished:
        async with database.transaction() as session:
            session.info.update({"service": service, "ids": IDS, **info})
            now = Now(at=at, previous=await _lock_clock(session))
            finished = await decide(session, now)
            if finished:
                await execute(session, "UPDATE clock SET at = $1 WHERE one = 1", at)
            await outbox.flush(session, tick_at=at if finished else None)
        left = not finished
        while left and decide_piece:
            async with database.transaction() as session:
                session.info.update({"service": service, "ids": IDS, **info})
                left = await decide_piece(session, now)
                await outbox.flush(session)


async def see(database: Database, topic: str, partition: int, at: datetime, partitions: int = 1) -> None:
    """The partition's next record is a tick."""
    async with database.transaction() as session:
        await inbox.add_position(session, (topic, partition), 0)
        [(offset, _)] = (await inbox.get_positions(session, [(topic, partition)])).values()
        step = inbox.Step(offset, offset + 1, ticks=1, tick_at=at, tick_partitions=partitions)
        await inbox.advance(session, {(topic, partition): step})


async def _lock_clock(session: Session) -> datetime:
    return await fetch_value(session, "SELECT at FROM clock WHERE one = 1 FOR UPDATE") or BEGINNING


async def told(database: Database) -> list[Event]:
    """All events in the outbox, in the order in which they were emitted; takes them out."""
    async with database.transaction() as session:
        rows = await fetch(session, "SELECT messages FROM outbox ORDER BY outbox_id")
        await execute(session, "DELETE FROM outbox")
    return [decode(body) for row in rows for _, body in outbox.unpack(row["messages"])]


async def rows(database: Database, sql: str, *args: Any) -> list[dict[str, Any]]:
    async with database.transaction() as session:
        return [dict(row) for row in await fetch(session, sql, *args)]


def settings_for(database: Database, settings: type[ServiceSettings] = ServiceSettings, **more: Any) -> Any:
    return settings(database_url=database.url, kafka_bootstrap="127.0.0.1:1", secret=SECRET, clock="stream", **more)


@asynccontextmanager
async def client(
    app: FastAPI,
    database: Database,
    scopes: Sequence[str] = keys.SCOPES,
    shop_id: str | None = None,
    key: str | None = None,
    documented: bool = True,
):
    """An HTTP client with a key of its own; the app runs in this process, without a broker. What it answers must be
    in its OpenAPI document, unless the app is no service."""
    key = key or f"cbk_live_{secrets.token_hex(4)}_{secrets.token_hex(16)}"
    await keys.add_key(database.url, SECRET, key, list(scopes), shop_id)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    hooks = {"response": [Documented(app.openapi()).check]} if documented else {}
    options = {"base_url": "http://test", "headers": headers, "event_hooks": hooks}
    async with httpx.AsyncClient(transport=transport, **options) as http:
        yield http
    door: Door = app.state.door
    await door.database.close()
