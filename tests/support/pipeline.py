"""The five services in one process, each on its own real database; messages are passed on by hand, in any disorder."""

import importlib
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count, pairwise
from typing import Any

import httpx

from deploy.local.names import SERVICES
from services.coupons.domain import Limits
from shared.database import Database, connect
from shared.events import Event
from tests.conftest import FreshDatabase
from tests.flows.tables import snapshot
from tests.support import doing
from tools.retelling import tell_anew

_HEARS = {
    "profile": ("storefront",),
    "segmentation": ("profile",),
    "targeting": ("profile", "segmentation"),
    "coupons": ("targeting", "profile"),
    "metrics": ("profile", "segmentation", "targeting", "coupons"),
}


_FED_BACK = {"targeting": ("coupons",)}

_KEY = f"cbk_live_{'0' * 8}_{'0' * 32}"


class Pipeline:
    """`disorder` repeats, permutes and cuts what each service hears between two ticks; without it all is in order."""

    def __init__(self, databases: dict[str, Database], disorder: random.Random | None = None) -> None:
        self._databases = databases
        self._disorder = disorder
        self._told: dict[str, list[Event]] = {"storefront": []}
        self._feedback: list[Event] = []
        self._requests = count()

    @classmethod
    async def make(cls, fresh_database: FreshDatabase, disorder: random.Random | None = None) -> "Pipeline":
        return cls({service: await fresh_database(service) for service in SERVICES}, disorder)

    def tell(self, events: Sequence[Event]) -> None:
        """The storefront tells these before the next tick."""
        self._told["storefront"] += events

    async def pass_to(self, at: datetime, *, without: Sequence[str] = ()) -> None:
        """All services hear what is to be heard, and decide `at`; those in `without` are down and hear nothing."""
        for service in SERVICES:
            if service in without or any(source in without for source in _HEARS[service]):
                return
            await self.hear(service, [event for source in _HEARS[service] for event in self._told.get(source, [])])
            if service == "targeting":
                await self.hear(service, self._feedback)
            await self.tick(service, at)
            self._told[service] = await doing.told(self._databases[service])
            self._told["storefront"] = [] if service == "profile" else self._told["storefront"]
        self._feedback = self._told["coupons"]

    async def hear(self, service: str, events: list[Event]) -> None:
        """The service's consumers take these, between two ticks."""
        consumers = importlib.import_module(f"services.{service}.consumers").consumers
        for batch in self._batches(events):
            await doing.apply(self._databases[service], service, consumers, batch, **_info(service))

    def _batches(self, events: list[Event]) -> list[list[Event]]:
        if self._disorder is None or not events:
            return [events] if events else []
        repeated = [*events, *self._disorder.choices(events, k=len(events) // 3)]
        self._disorder.shuffle(repeated)
        cuts = sorted({0, len(repeated), *(self._disorder.randrange(len(repeated)) for _ in range(2))})
        return [repeated[start:stop] for start, stop in pairwise(cuts)]

    async def retell(self, service: str) -> list[Event]:
        """What `comeback retell` does, heard by all who listen; what was told."""
        await tell_anew(self._databases[service].url, service, doing.SECRET)
        events = await doing.told(self._databases[service])
        for hearer in SERVICES:
            if service in (*_HEARS[hearer], *_FED_BACK.get(hearer, ())):
                await self.hear(hearer, events)
        return events

    async def tick(self, service: str, at: datetime) -> None:
        timers: Any = importlib.import_module(f"services.{service}.timers")
        piece = getattr(timers, "on_piece", None)
        await doing.tick(self._databases[service], service, timers.on_tick, at, piece, **_info(service))

    @asynccontextmanager
    async def door(self, service: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client at the service's HTTP door."""
        settings = importlib.import_module(f"services.{service}.settings").Settings
        make_app = importlib.import_module(f"services.{service}.app").make_app
        app = make_app(doing.settings_for(self._databases[service], settings))
        async with doing.client(app, self._databases[service], key=_KEY) as http:
            http.event_hooks = {"request": [self._number]}
            yield http

    async def _number(self, request: httpx.Request) -> None:
        # Ids come from the key and this: the same calls make the same things, and hold out the same customers.
        request.headers.setdefault("Idempotency-Key", f"request {next(self._requests)}")

    async def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every business table."""
        urls = {f"COMEBACK_{service.upper()}_DATABASE_URL": self._databases[service].url for service in SERVICES}
        return await snapshot(urls)

    def url_of(self, service: str) -> str:
        return self._databases[service].url

    async def ask(self, service: str, sql: str) -> list[Any]:
        connection = await connect(self._databases[service].url)
        try:
            return await connection.fetch(sql)
        finally:
            await connection.close()


def _info(service: str) -> dict[str, Any]:
    # Few of them are decided about at once, so that most ticks are divided.
    return {"coupons": {"limits": Limits()}, "segmentation": {"tick_piece": 5}}.get(service, {})
