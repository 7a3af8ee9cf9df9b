"""Databases for tests: migrated once for each service, then copied for each test."""

from collections.abc import Awaitable, Callable
from itertools import count

import asyncpg

Migrate = Callable[[str, str], Awaitable[None]]


class Admin:
    """Makes and drops databases; `url` is an administrator's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._templates: set[str] = set()
        self._numbers = count(1)

    def url_of(self, database: str) -> str:
        return self._url.rsplit("/", 1)[0] + "/" + database

    async def fresh(self, service: str, migrate: Migrate) -> str:
        """The address of an empty migrated database."""
        template = f"template_{service}"
        if template not in self._templates:
            await self._run(f"CREATE DATABASE {template}")
            await migrate(service, self.url_of(template))
            self._templates.add(template)
        name = f"test_{service}_{next(self._numbers)}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url_of(name)

    async def drop(self, url: str) -> None:
        await self._run(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
