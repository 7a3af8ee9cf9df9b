"""Sessions, the one place that commits, and set-based SQL on the driver's connection inside the same transaction."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import msgspec

from shared.errors import Refusal

_encoder = msgspec.json.Encoder()

# Seconds between two questions of one who stands by.
_STAND_BY = 0.5
_READ_ONLY = "25006"
# Serialization failure, deadlock, a lock or a statement or an idle session that took too long; no room, no memory, no
# connections; read-only; a disk that fails; a server that goes down, is not there yet or lets nobody in: try again.
_TRANSIENT_STATES = (
    *("40001", "40003", "40P01", "55P03", "57014", "25P03", "25P04", "53", _READ_ONLY),
    *("57P", "08", "28", "3D000", "58", "XX"),
)


class Session:
    """A transaction and what belongs to it: `info` is for those who work in it, `driver` the connection."""

    __slots__ = ("driver", "info")

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.info: dict[str, Any] = {}


# The same object at run time; a reader that takes a ReadSession promises to change nothing.
ReadSession = Session


class _Connection(asyncpg.Connection):
    """Given back without a question to the server: nothing here outlives a transaction."""

    def get_reset_query(self) -> str:
        return ""


async def _read_json(connection: Any) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=msgspec.json.decode)


class Database:
    """A service's own database.

    `statement_seconds`: how long one statement may take; 0 is as long as it needs. `wait_seconds`: until a connection
    must be there, and free. `for_batches`: a statement is planned without a look at its values, which are thousands
    and would be read a second time for that; PostgreSQL comes to the same after five times, on each connection.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 10,
        statement_seconds: float = 0,
        wait_seconds: float = 10,
        for_batches: bool = False,
    ) -> None:
        self.url = url
        self.wait_seconds = wait_seconds
        self._size = size
        self._settings = {
            # Whoever stands still in a transaction holds locks and keeps dead rows from being cleared away.
            "idle_in_transaction_session_timeout": "60000",
            "statement_timeout": str(int(statement_seconds * 1000)),
            "plan_cache_mode": "force_generic_plan" if for_batches else "auto",
        }
        self._pool: Any = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Session]:
        """A session whose work is committed when the block ends, and undone when it raises."""
        pool = self._pool or await self._open()
        connection, transaction = await self._begin(pool)
        try:
            yield Session(connection)
            await transaction.commit()
        except BaseException as error:
            with suppress(Exception):
                # Read-only answers a server that is no longer the primary; a new connection finds the other.
                await (connection.close() if sql_state(error) == _READ_ONLY else transaction.rollback())
            raise
        finally:
            await pool.release(connection)

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                driver: Any = asyncpg
                self._pool = await driver.create_pool(
                    self.url,
                    min_size=0,
                    max_size=self._size,
                    connection_class=_Connection,
                    timeout=self.wait_seconds,
                    init=_read_json,
                    server_settings=self._settings,
                )
        return self._pool

    async def _begin(self, pool: Any) -> tuple[Any, Any]:
        for left in range(self._size, -1, -1):
            connection = await pool.acquire(timeout=self.wait_seconds)
            transaction = connection.transaction()
            try:
                await transaction.start()
            except BaseException as error:
                # One that was closed from the other end is the pool's again already.
                with suppress(asyncpg.InterfaceError):
                    connection.terminate()
                await pool.release(connection)
                # It died in the pool, as all that were open do when the server restarts: on to the next one.
                if not left or not isinstance(error, Exception):
                    raise
            else:
                return connection, transaction
        raise AssertionError("the last one has raised")

    @property
    def in_use(self) -> int:
        """How many connections transactions hold now."""
        return self._pool.get_size() - self._pool.get_idle_size() if self._pool else 0

    async def connect(self) -> Any:
        """A connection of its own, for locks that a session holds and for notifications."""
        return await connect(self.url)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None


async def connect(url: str) -> Any:
    """A bare connection; whoever asks closes it."""
    driver: Any = asyncpg
    return await driver.connect(url, timeout=10)


async def fetch(session: ReadSession, sql: str, *args: Any) -> list[Any]:
    """All rows of a statement with `$1` parameters."""
    return await session.driver.fetch(sql, *args)


async def fetch_one(session: ReadSession, sql: str, *args: Any) -> Any:
    """The first row, or None."""
    return await session.driver.fetchrow(sql, *args)


async def fetch_value(session: ReadSession, sql: str, *args: Any) -> Any:
    """The first column of the first row, or None."""
    return await session.driver.fetchval(sql, *args)


def unnest(types: str) -> str:
    """SQL for rows of which `$1`, `$2`, … are the columns, made by `as_columns`; `types`: theirs, by spaces apart."""
    # In the list of a SELECT, since `FROM unnest(a, b)` would write each column down by itself before it joins them.
    columns = [f"unnest(${number}::text::{name}[]) AS c{number}" for number, name in enumerate(types.split(), 1)]
    return "(SELECT " + ", ".join(columns) + ")"


def as_columns(rows: Iterable[Sequence[Any]]) -> list[str | None]:
    """Rows as the parameters of `unnest`; raises ValueError without any. What is NULL in all of them costs nothing."""
    columns = [None if _is_empty(column) else as_array(column) for column in zip(*rows, strict=True)]
    if not columns:
        raise ValueError("no rows, so nobody knows how many columns")
    return columns


def _is_empty(column: Sequence[Any]) -> bool:
    return column[0] is None and column.count(None) == len(column)


def as_array(values: Sequence[Any]) -> str:
    """Texts, numbers or instants as the literal of an array: the driver would take each of them alone."""
    encoded = _encoder.encode(values)
    # A quoted element of an array reads as JSON's string does, as long as only quotes and backslashes are escaped.
    if b"\\" in encoded and b"\\" in encoded.replace(b"\\\\", b"").replace(b'\\"', b""):
        return "{" + ",".join(map(_quoted, values)) + "}"
    return "{" + encoded[1:-1].decode() + "}"


def _quoted(text: str | None) -> str:
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def execute(session: Session, sql: str, *args: Any) -> int:
    """Runs a statement; how many rows it touched."""
    status: str = await session.driver.execute(sql, *args)
    return int(status.rsplit(" ", 1)[-1]) if status[-1:].isdigit() else 0


@asynccontextmanager
async def savepoint(session: Session) -> AsyncGenerator[None]:
    """What is done in the block is undone when it raises; the transaction around it lives on."""
    async with session.driver.transaction():
        yield


async def lock_session(connection: Any, number: int) -> None:
    """Waits in line until this session holds the advisory lock; it does until it ends.

    Not for long: as long as a statement waits, nothing that was deleted meanwhile can be cleared away.
    """
    await connection.execute("SELECT pg_advisory_lock($1)", number)


async def stand_by(connection: Any, number: int) -> None:
    """The same for who may have to wait for days: asks again and again, and holds nothing back in between."""
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", number):  # noqa: ASYNC110  (nothing tells)
        await asyncio.sleep(_STAND_BY)


def sql_state(error: BaseException) -> str | None:
    """The SQLSTATE that the database answered, or None when it was not the database."""
    return getattr(error, "sqlstate", None)


def is_transient(error: BaseException) -> bool:
    """Whether the database is to blame, not the data: wait and do the whole unit again."""
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
