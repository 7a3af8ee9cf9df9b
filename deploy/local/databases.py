"""One database and one role for each service, so that none can even connect to another's."""

import asyncio
import time

import asyncpg

from deploy.local.errors import StackError
from deploy.local.names import SERVICES

NOT_YET = (asyncpg.CannotConnectNowError, OSError)  # recovering after kill -9
PATIENCE = 15.0


async def ensure(admin_url: str, passwords: dict[str, str]) -> None:
    admin = await _connect(admin_url)
    try:
        roles = {row["rolname"] for row in await admin.fetch("SELECT rolname FROM pg_roles")}
        databases = {row["datname"] for row in await admin.fetch("SELECT datname FROM pg_database")}
        await admin.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        for service in SERVICES:
            verb = "ALTER" if service in roles else "CREATE"
            await admin.execute(f"{verb} ROLE {service} LOGIN PASSWORD '{passwords[service]}'")
            if service not in databases:
                await _create(admin, service)
    except asyncpg.PostgresError as error:
        raise StackError(f"PostgreSQL refused to make the services' databases: {error}.") from error
    finally:
        await admin.close()


async def drop(admin_url: str) -> None:
    """For a server that is not ours, whose data folder cannot simply be deleted."""
    admin = await _connect(admin_url)
    try:
        for service in SERVICES:
            await admin.execute(f"DROP DATABASE IF EXISTS {service} WITH (FORCE)")
            await admin.execute(f"DROP ROLE IF EXISTS {service}")
    finally:
        await admin.close()


async def _create(admin: asyncpg.Connection, service: str) -> None:
    await admin.execute(f"GRANT {service} TO CURRENT_USER")  # an administrator who is no superuser needs it
    await admin.execute(f"CREATE DATABASE {service} OWNER {service}")
    await admin.execute(f"REVOKE ALL ON DATABASE {service} FROM PUBLIC")


async def _connect(url: str) -> asyncpg.Connection:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await asyncpg.connect(url, timeout=10)
        except NOT_YET as error:
            if time.monotonic() > end:
                raise StackError(
                    f"PostgreSQL takes no connections ({error}): if COMEBACK_DATABASE_URL is set, correct or unset it."
                ) from error
            await asyncio.sleep(0.05)
        except (asyncpg.PostgresError, ValueError) as error:
            raise StackError(f"PostgreSQL refuses the administrator's login: {error}.") from error
