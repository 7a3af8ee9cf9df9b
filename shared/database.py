"""Sessions, the one place that commits, and set-based SQL on the driver's connection inside the same transaction."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from shared.errors import Refusal

# The same object at run time; a reader that takes a ReadSession promises to change nothing.
Session = AsyncSession
ReadSession = AsyncSession

_encoder = msgspec.json.Encoder()

_READ_ONLY = "25006"
# Serialization failure, deadlock, a lock or a statement or an idle session that took too long; no room, no memory, no
# connections; read-only; a disk that fails; a server that goes down, is not there yet or lets nobody in: try again.
_TRANSIENT_STATES = (
    *("40001", "40003", "40P01", "55P03", "57014", "25P03", "25P04", "53", _READ_ONLY),
    *("57P", "08", "28", "3D000", "58", "XX"),
)


class Database:
    """A service's own database. `statement_seconds`: how long one statement may take; 0 is as long as it needs."""

    def __init__(self, url: str, *, size: int = 10, statement_seconds: float = 0) -> None:
        self.url = url
        self._size = size
        self.engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=size,
            max_overflow=0,
            pool_timeout=10,
            connect_args={
                "timeout": 10,
                "server_settings": {
                    # Whoever stands still in a transaction holds locks and keeps dead rows from being cleared away.
                    "idle_in_transaction_session_timeout": "60000",
                    "statement_timeout": str(int(statement_seconds * 1000)),
                },
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Session]:
        """A session whose work is committed when the block ends, and undone when it raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            await self._begin(session)
            try:
                yield session
                await session.commit()
            except BaseException as error:
                with suppress(Exception):
                    # Read-only answers a server that is no longer the primary; a new connection finds the other.
                    await (session.invalidate() if sql_state(error) == _READ_ONLY else session.rollback())
                raise

    async def _begin(self, session: Session) -> None:
        # SQLAlchemy would begin with the first statement that it runs itself; `fetch` and `execute` go past it.
        for left in range(self._size, -1, -1):
            proxied: Any = await (await session.connection()).get_raw_connection()
            session.info["driver"] = proxied.driver_connection
            try:
                await proxied.dbapi_connection._start_transaction()
                return
            except Exception:
                # It died in the pool, as all that were open do when the server restarts: on to the next one.
                await session.invalidate()
                if not left:
                    raise

    async def connect(self) -> Any:
        """A connection of its own, for locks that a session holds and for notifications."""
        return await connect(self.url)

    async def close(self) -> None:
        await self.engine.dispose()


async def connect(url: str) -> Any:
    """A bare connection; whoever asks closes it."""
    driver: Any = asyncpg
    return await driver.connect(url, timeout=10)


async def fetch(session: ReadSession, sql: str, *args: Any) -> list[Any]:
    """All rows of a statement with `$1` parameters."""
    return await session.info["driver"].fetch(sql, *args)


async def fetch_one(session: ReadSession, sql: str, *args: Any) -> Any:
    """The first row, or None."""
    return await session.info["driver"].fetchrow(sql, *args)


async def fetch_value(session: ReadSession, sql: str, *args: Any) -> Any:
    """The first column of the first row, or None."""
    return await session.info["driver"].fetchval(sql, *args)


def as_rows(rows: Sequence[Any]) -> str:
    """Dataclasses or dicts as one text for `jsonb_to_recordset($1::text::jsonb)`: rows of many columns at a fraction
    of what the driver takes to encode an array for each column."""
    return _encoder.encode(rows).decode()


async def execute(session: Session, sql: str, *args: Any) -> int:
    """Runs a statement; how many rows it touched."""
    status: str = await session.info["driver"].execute(sql, *args)
    return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0


@asynccontextmanager
async def savepoint(session: Session) -> AsyncGenerator[None]:
    """What is done in the block is undone when it raises; the transaction around it lives on.

    Not `session.begin_nested()`: SQLAlchemy sends SAVEPOINT with its next own statement, and that may never come.
    """
    async with session.info["driver"].transaction():
        yield


async def lock_session(connection: Any, number: int) -> None:
    """Waits until this session holds the advisory lock; it does until it ends."""
    await connection.execute("SELECT pg_advisory_lock($1)", number)


def sql_state(error: BaseException) -> str | None:
    """The SQLSTATE that the database answered, or None when it was not the database."""
    cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error
    return getattr(cause, "sqlstate", None)


def is_transient(error: BaseException) -> bool:
    """Whether the database is to blame, not the data: wait and do the whole unit again."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, NoConnectionFree):
        return True
    if isinstance(error, OSError | TimeoutError | asyncpg.InternalClientError | asyncpg.InterfaceError):
        return not isinstance(error, asyncpg.DataError) and not isinstance(error, ValueError)
    state = sql_state(error)
    return state is not None and state.startswith(_TRANSIENT_STATES)


def is_refused_data(error: BaseException) -> bool:
    """Whether the database refused the data itself: the event that holds it is parked."""
    state = sql_state(error)
    return isinstance(error, asyncpg.DataError) or (state is not None and state.startswith(("22", "23")))


def is_about_data(error: BaseException) -> bool:
    """Whether a rule of ours or the database refuses the data: to try it again would say the same."""
    return isinstance(error, Refusal) or (sql_state(error) or "").startswith(("22", "23"))
