"""The stack that commands speak of, and questions to its services' databases. Used by `events`, `keys` and `demo`."""

import asyncio
from collections.abc import Callable
from typing import Any

from asyncpg import UndefinedTableError

from deploy.local.addresses import Given
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from deploy.local.state import default_home
from shared.database import connect


def the_stack(say: Callable[[str], None] = lambda _: None) -> Stack:
    """The one in COMEBACK_HOME, with the servers that the environment names."""
    return Stack(default_home(), given=Given.from_environment(), say=say)


def database_of(stack: Stack, service: str) -> str:
    return stack.environment()[f"COMEBACK_{service.upper()}_DATABASE_URL"]


def ask(service: str, sql: str, *args: Any) -> list[Any]:
    """The rows of one statement in a service's database."""
    return asyncio.run(_fetch(service, sql, *args))


async def _fetch(service: str, sql: str, *args: Any) -> list[Any]:
    connection = await connect(database_of(the_stack(), service))
    try:
        return await connection.fetch(sql, *args)
    except UndefinedTableError as error:
        raise StackError(f"{service} has no tables yet: `comeback stack up` makes them.") from error
    finally:
        await connection.close()
