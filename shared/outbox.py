"""Events leave through the transaction that made them; one relay a service publishes them, in order, at least once."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Protocol

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import msgspec
from cramjam import lz4  # pyright: ignore[reportMissingModuleSource]

from shared import failpoints, tracing
from shared.database import Database, Session, execute, stand_by
from shared.events import Event, Tick, producer_of
from shared.events.codec import encode

RELAY_LOCK = 7_201_001
# Few, because a row may hold all that a large tick told.
_ROWS = 50
# On their way messages are held three times over, and rows may hold tens of thousands of them.
_AT_ONCE = 4_000
NOTIFY_CHANNEL = "comeback_outbox"
# A row without a tick may wait so many seconds for others: many small transactions make few requests to the broker.
_GATHER = 0.005
_URGENT = "tick"
_TELL = f"""WITH told AS (INSERT INTO outbox (events, messages, tick_at) VALUES ($1, $2, $3) RETURNING tick_at)
            SELECT pg_notify('{NOTIFY_CHANNEL}', CASE WHEN tick_at IS NULL THEN '' ELSE '{_URGENT}' END) FROM told"""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str, bytes]]).decode


class Publisher(Protocol):
    """What the relay needs of a broker: waits until every message is acknowledged."""

    async def publish(
        self, topic: str, messages: list[tuple[str, bytes]], tick: Tick | None = None, *, partitions: int | None = None
    ) -> None: ...

    async def count_partitions(self, topic: str) -> int: ...


def emit(session: Session, events: list[tuple[str, Event]]) -> None:
    """Tells `(key, event)` pairs when the session's transaction commits, and only then."""
    service: str = session.info["service"]
    for event_type in {type(event) for _, event in events}:
        if producer_of(event_type) != service:
            raise AssertionError(f"{service} may not emit {event_type.__name__}")
    session.info.setdefault("outbox", []).extend(events)


async def flush(session: Session, tick_at: datetime | None = None) -> None:
    """Writes what was emitted as one row; the door calls it last, when all row locks are taken."""
    events: list[tuple[str, Event]] = tracing.stamp_all(session.info.pop("outbox", []), last=tick_at is not None)
    if not events and tick_at is None:
        return
    await execute(
        session,
        _TELL,
        len(events),
        pack([(key, encode(event)) for key, event in events]),
        tick_at,
    )


def pack(messages: list[tuple[str, bytes]]) -> bytes:
    """`(key, body)` pairs as the outbox keeps them: events resemble each other, so a tenth of their size."""
    return bytes(lz4.compress_block(_encode(messages)))


def unpack(packed: bytes) -> list[tuple[str, bytes]]:
    """The `(key, body)` pairs in a row of the outbox."""
    return _decode(bytes(lz4.decompress_block(packed)))


class RelayLost(Exception):
    """The session that holds the relay's lock is gone: the process must end before somebody else relays."""


class Relay:
    """Publishes the outbox of one service. Everything it does to the table goes through the session of its lock."""

    def __init__(self, database: Database, publisher: Publisher, topic: str) -> None:
        self._database = database
        self._publisher = publisher
        self._topic = topic
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()

    async def run(self) -> None:
        """Waits for the lock, then relays until the session that holds it is lost (RelayLost) or cancelled."""
        connection = await self._database.connect()
        try:
            await stand_by(connection, RELAY_LOCK)
            # A row whose deletion is lost with the machine is published once more, which is allowed.
            await connection.execute("SET synchronous_commit = off")
            await connection.add_listener(NOTIFY_CHANNEL, self._notice)
            partitions = await self._publisher.count_partitions(self._topic)
            while True:
                self._wake.clear()
                self._urgent.clear()
                if await self._relay_some(connection, partitions) < _ROWS:
                    await _wait(self._wake, 1)
                    await _wait(self._urgent, _GATHER)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise RelayLost(str(error)) from error
        finally:
            connection.terminate()

    def _notice(self, _connection: Any, _process: int, _channel: str, payload: str) -> None:
        self._wake.set()
        if payload == _URGENT:
            self._urgent.set()

    async def _relay_some(self, connection: Any, partitions: int) -> int:
        """Publishes the oldest rows in order of id, then deletes them; how many there were."""
        # Never "id greater than the last one": ids are given before commit, and a slow transaction would be skipped.
        rows = await connection.fetch(
            "SELECT outbox_id, messages, tick_at FROM outbox ORDER BY outbox_id LIMIT $1", _ROWS
        )
        for messages, tick_at in _pieces(rows):
            tick = Tick(at=tick_at, partitions=partitions) if tick_at is not None else None
            await self._publisher.publish(self._topic, messages, tick, partitions=partitions)
        if rows:
            failpoints.hit("after_publish")
            await connection.execute("DELETE FROM outbox WHERE outbox_id = ANY($1)", [row["outbox_id"] for row in rows])
        return len(rows)


def _pieces(rows: Iterable[Any]) -> Iterator[tuple[list[tuple[str, bytes]], datetime | None]]:
    """What is published before anything else is: messages, and the tick behind them if there is one."""
    messages: list[tuple[str, bytes]] = []
    for row in rows:
        messages += unpack(row["messages"])
        while len(messages) > _AT_ONCE:
            yield messages[:_AT_ONCE], None
            del messages[:_AT_ONCE]
        if row["tick_at"] is not None:
            yield messages, row["tick_at"]
            messages = []
    yield messages, None


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout=seconds)
