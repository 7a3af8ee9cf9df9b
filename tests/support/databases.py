"""Databases for tests: migrated once for each service, copied when one more is needed, emptied after each test."""

from collections.abc import Awaitable, Callable
from itertools import count

import asyncpg

Migrate = Callable[[str, str], Awaitable[None]]

# What migrations have put into tables is kept aside, for emptying takes it away too.
_KEEP = """
DO $$ DECLARE name text; is_filled boolean; BEGIN
    CREATE SCHEMA kept;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO is_filled;
        IF is_filled THEN EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', name, name); END IF;
    END LOOP;
END $$
"""
_EMPTY = """
DO $$ DECLARE name text; names text; BEGIN
    SELECT string_agg(format('public.%I', tablename), ', ') INTO names
    FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version';
    EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY';
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', name, name);
    END LOOP;
END $$
"""
_CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Admin:
    """Makes databases and takes them back; `url` is an administrator's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: dict[str, list[str]] = {}
        self._numbers = count(1)

    def url_of(self, database: str) -> str:
        return self._url.rsplit("/", 1)[0] + "/" + database

    async def fresh(self, service: str, migrate: Migrate) -> str:
        """The address of an empty migrated database."""
        template = f"template_{service}"
        if service not in self._free:
            await self._run(f"CREATE DATABASE {template}")
            await migrate(service, self.url_of(template))
            await self._run(_KEEP, template)
            self._free[service] = []
        if self._free[service]:
            return self._free[service].pop()
        name = f"test_{service}_{next(self._numbers)}"
        await self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url_of(name)

    async def drop(self, url: str) -> None:
        """What is in it is gone. Emptied, not dropped: the next test has it ten times sooner than a new one."""
        name = url.rsplit("/", 1)[1]
        await self._run(_CUT, name)
        await self._run(_EMPTY, name)
        await self._run(f"ALTER DATABASE {name} RESET ALL")
        self._free[name.split("_")[1]].append(url)

    async def _run(self, statement: str, database: str | None = None) -> None:
        connection = await asyncpg.connect(self._url if database is None else self.url_of(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
