"""Metrics on a database of its own: tell it something, move its clock, read a figure at its door."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any

import httpx
import pytest

from services.metrics.app import make_app
from services.metrics.consumers import consumers
from services.metrics.settings import Settings
from services.metrics.timers import on_tick
from shared.database import Database, execute
from shared.events import Event
from tests.conftest import FreshDatabase
from tests.support.doing import apply, client, settings_for, tick

TABLES = "orders, visits, stages, campaigns, decisions, coupons, redemptions"


class Desk:
    """`http` may read everything; `shop("s1")` is a client whose key is bound to that shop."""

    def __init__(self, database: Database, http: httpx.AsyncClient, stack: AsyncExitStack) -> None:
        self.database = database
        self.http = http
        self._stack = stack
        self.remembered: list[object] = []

    async def hear(self, *events: Event) -> None:
        """One batch."""
        await apply(self.database, "metrics", consumers, events)

    async def tick(self, at: datetime) -> None:
        await tick(self.database, "metrics", on_tick, at)

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """An answer that must be 200."""
        answer = await self.http.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def campaign(self, campaign_id: str = "c1") -> dict[str, Any]:
        return await self.get(f"/v1/campaigns/{campaign_id}/metrics")

    async def client(self, **key: Any) -> httpx.AsyncClient:
        """A client with another key."""
        app = make_app(settings_for(self.database, Settings))
        return await self._stack.enter_async_context(client(app, self.database, **key))

    async def forget(self) -> None:
        """Everything that was heard."""
        async with self.database.transaction() as session:
            await execute(session, f"TRUNCATE {TABLES}")


@pytest.fixture
async def desk(fresh_database: FreshDatabase) -> AsyncIterator[Desk]:
    database = await fresh_database("metrics")
    async with AsyncExitStack() as stack:
        app = make_app(settings_for(database, Settings))
        http = await stack.enter_async_context(client(app, database))
        yield Desk(database, http, stack)
