"""A database of one service as far as the runtime needs PostgreSQL: read committed, row locks, a sequence, crashes.

It knows the runtime's statements by their exact text: who changes one is asked to say here what it means.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]

from shared.clock import BEGINNING
from tests.faults.simulation.loop import Bell
from tests.faults.simulation.processes import Process, Weather

Key = tuple[str, Any]
Row = dict[str, Any]
Tables = dict[str, dict[Any, Row]]
TABLES = ("inbox", "outbox", "clock", "parked", "facts", "totals", "states", "marks", "pieces", "decisions", "latest")
_DELAYED_DELETE = 0.5


class Gone(asyncpg.InterfaceError):
    """The connection is broken."""


class Deadlock(asyncpg.DeadlockDetectedError):
    """Two transactions wait for each other."""


def _empty() -> Tables:
    tables: Tables = {name: {} for name in TABLES}
    tables["clock"][1] = {"at": BEGINNING}
    return tables


@dataclass(eq=False)
class Store:
    """What has been committed, who holds which row, and who relays."""

    service: str
    weather: Weather
    # Called with what a transaction is about to change; says what is wrong with it.
    inspect: Callable[["Store", "Transaction"], None] = lambda _store, _changes: None
    tables: Tables = field(default_factory=_empty)
    locks: dict[Key, "Transaction"] = field(default_factory=dict[Key, "Transaction"])
    shares: dict[Key, dict["Transaction", None]] = field(default_factory=dict[Key, dict["Transaction", None]])
    open: dict["Transaction", None] = field(default_factory=dict["Transaction", None])
    connections: dict["Connection", None] = field(default_factory=dict["Connection", None])
    relaying: "Connection | None" = None
    released: Bell = field(default_factory=Bell)
    sequence: int = 0
    deleted: dict[int, Row] = field(default_factory=dict[int, Row])
    snapshots: list[tuple[Tables, int]] = field(default_factory=list[tuple[Tables, int]])

    def crash(self) -> None:
        """The server restarts: open transactions never were, and deletions not yet on disk come back."""
        for transaction in list(self.open):
            transaction.end()
        for connection in list(self.connections):
            connection.terminate()
        if self.weather.chance(_DELAYED_DELETE):
            self.tables["outbox"].update(self.deleted)
        self.deleted = {}

    def snapshot(self) -> None:
        self.snapshots.append(({name: dict(rows) for name, rows in self.tables.items()}, self.sequence))

    def restore(self) -> None:
        """Back to a snapshot; those taken after it belong to a time that never was."""
        self.crash()
        chosen = self.weather.dice.randrange(len(self.snapshots))
        del self.snapshots[chosen + 1 :]
        tables, self.sequence = self.snapshots[chosen]
        self.tables = {name: dict(rows) for name, rows in tables.items()}
        self.deleted = {}


@dataclass(eq=False)
class Transaction:
    """What asyncpg's connection is to the runtime, and a few statements of the toy services."""

    store: Store
    process: Process
    writes: dict[Key, Row | None] = field(default_factory=dict[Key, Row | None])
    held: dict[Key, None] = field(default_factory=dict[Key, None])
    waits_for: "Transaction | None" = None
    ended: Bell = field(default_factory=Bell)
    notices: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.store.open[self] = None

    def end(self) -> None:
        self.store.open.pop(self, None)
        for key in self.held:
            self.store.locks.pop(key, None)
        for sharing in self.store.shares.values():
            sharing.pop(self, None)
        self.held = {}
        self.ended.ring()

    def check(self) -> None:
        if self not in self.store.open:
            raise Gone("the server closed the connection")

    # Rows

    def get(self, table: str, key: Any) -> Row | None:
        if (table, key) in self.writes:
            return self.writes[table, key]
        return self.store.tables[table].get(key)

    def put(self, table: str, key: Any, row: Row | None) -> None:
        assert (table, key) in self.held
        self.writes[table, key] = row

    def scan(self, table: str) -> dict[Any, Row]:
        found: dict[Any, Row | None] = dict(self.store.tables[table])
        found.update({key: row for (name, key), row in self.writes.items() if name == table})
        return {key: row for key, row in sorted(found.items()) if row is not None}

    async def lock(self, table: str, key: Any) -> None:
        """Waits for whoever holds or shares the row; what is read afterwards is what they have committed."""
        while (holder := self.blocked_by(table, key)) is not None:
            await self._wait_for(holder)
        self.store.locks[table, key] = self
        self.held[table, key] = None

    async def share(self, table: str, key: Any) -> None:
        """Waits for whoever holds the row, not for those who share it."""
        while (holder := self.store.locks.get((table, key), self)) is not self:
            await self._wait_for(holder)
        self.store.shares.setdefault((table, key), {})[self] = None

    def blocked_by(self, table: str, key: Any) -> "Transaction | None":
        holder = self.store.locks.get((table, key), self)
        others = [holder, *self.store.shares.get((table, key), {})]
        return next((each for each in others if each is not self), None)

    async def _wait_for(self, holder: "Transaction") -> None:
        self.waits_for = holder
        self._refuse_deadlock()
        await holder.ended.wait()
        self.waits_for = None
        self.check()

    def _refuse_deadlock(self) -> None:
        other: Transaction | None = self.waits_for
        while other is not None:
            if other is self:
                self.waits_for = None
                self.end()
                raise Deadlock("deadlock detected")
            other = other.waits_for

    # What asyncpg has

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        await self.process.travel()
        self.check()
        found = await _meaning(sql)(self, *args)
        assert isinstance(found, list)
        return found

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        return next(iter(await self.fetch(sql, *args)), None)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        row = await self.fetchrow(sql, *args)
        return next(iter(row.values())) if row is not None else None

    async def execute(self, sql: str, *args: Any) -> str:
        await self.process.travel()
        self.check()
        found = await _meaning(sql)(self, *args)
        return f"DONE {len(found) if isinstance(found, list) else found}"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        """A savepoint."""
        before = dict(self.writes)
        try:
            yield
        except BaseException:
            self.writes = before
            raise

    # What the toy services ask

    async def insert_absent(self, table: str, rows: dict[Any, Row]) -> list[Any]:
        """INSERT … ON CONFLICT DO NOTHING RETURNING key"""
        await self.process.travel()
        self.check()
        added: list[Any] = []
        for key, row in sorted(rows.items()):
            await self.lock(table, key)
            if self.get(table, key) is None:
                self.put(table, key, row)
                added.append(key)
        return added

    async def change(self, table: str, keys: list[Any], how: Callable[[Any, Row | None], Row | None]) -> list[Any]:
        """INSERT … ON CONFLICT DO UPDATE … WHERE …; `how` gives the new row, or the old one to leave it. The changed"""
        await self.process.travel()
        self.check()
        changed: list[Any] = []
        for key in sorted(set(keys)):
            await self.lock(table, key)
            old = self.get(table, key)
            new = how(key, old)
            if new is not old:
                self.put(table, key, new)
                changed.append(key)
        return changed

    async def delete(self, table: str, limit: int) -> list[Any]:
        """DELETE … RETURNING key, the first `limit`"""
        await self.process.travel()
        self.check()
        gone: list[Any] = []
        for key in list(self.scan(table))[:limit]:
            await self.lock(table, key)
            if self.get(table, key) is not None:
                self.put(table, key, None)
                gone.append(key)
        return gone

    async def take_free(self, table: str) -> Row | None:
        """DELETE … WHERE key = (SELECT … LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING …"""
        await self.process.travel()
        self.check()
        for key, row in self.scan(table).items():
            if self.blocked_by(table, key) is None:
                await self.lock(table, key)
                self.put(table, key, None)
                return row
        return None

    async def select(self, table: str) -> dict[Any, Row]:
        await self.process.travel()
        self.check()
        return self.scan(table)

    # Its end

    async def commit(self) -> None:
        weather = self.process.weather
        try:
            await self.process.travel()
        except asyncio.CancelledError:
            # The request may have left before the process died.
            if self in self.store.open and weather.chance(0.5):
                self.apply()
            raise
        self.check()
        if weather.chance(0.01):
            raise Gone("lost on the way")
        self.apply()
        if weather.chance(0.01):
            raise Gone("the answer was lost on the way")

    def apply(self) -> None:
        self.store.inspect(self.store, self)
        for (table, key), row in self.writes.items():
            if row is None:
                self.store.tables[table].pop(key, None)
            else:
                self.store.tables[table][key] = row
        self.end()
        for payload in self.notices:
            for connection in list(self.store.connections):
                connection.notify(payload)


class Session:
    def __init__(self, driver: Transaction) -> None:
        self.info: dict[str, Any] = {}
        self.driver = driver


@dataclass(eq=False)
class SimulatedDatabase:
    """shared.database.Database as one process sees it."""

    store: Store
    process: Process
    url: str = "postgresql://simulated"

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Session]:
        await self.process.travel()
        transaction = Transaction(self.store, self.process)
        try:
            yield Session(transaction)
            await transaction.commit()
        finally:
            transaction.end()

    async def connect(self) -> "Connection":
        await self.process.travel()
        return Connection(self.store, self.process)


@dataclass(eq=False)
class Connection:
    """The relay's own session: every statement is a transaction."""

    store: Store
    process: Process
    listener: Callable[[Any, int, str, str], None] | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        self.store.connections[self] = None

    def terminate(self) -> None:
        self.closed = True
        self.store.connections.pop(self, None)
        if self.store.relaying is self:
            self.store.relaying = None
        self.store.released.ring()

    def notify(self, payload: str) -> None:
        if self.listener is not None and not self.process.dead:
            asyncio.get_running_loop().call_later(0.001, self.listener, self, 0, "", payload)

    async def add_listener(self, _channel: str, listener: Callable[[Any, int, str, str], None]) -> None:
        self.listener = listener

    async def _ask(self) -> None:
        await self.process.travel()
        if self.closed:
            raise Gone("the server closed the connection")

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        await self._ask()
        assert _normal(sql) == "SELECT outbox_id, messages, tick_at FROM outbox ORDER BY outbox_id LIMIT $1"
        # Few at a time, so that short histories also know more than one round.
        limit = min(args[0], 1 + self.process.weather.dice.randrange(6))
        return [{"outbox_id": key, **row} for key, row in sorted(self.store.tables["outbox"].items())[:limit]]

    async def execute(self, sql: str, *args: Any) -> str:
        if _normal(sql) == "SET synchronous_commit = off":
            return "SET"
        if _normal(sql) == "SELECT pg_advisory_lock($1)":
            await self._lock()
            return "SELECT 1"
        assert _normal(sql) == "DELETE FROM outbox WHERE outbox_id = ANY($1)"
        await self._ask()
        outbox = self.store.tables["outbox"]
        self.store.deleted = {key: outbox.pop(key) for key in args[0] if key in outbox}
        return f"DELETE {len(self.store.deleted)}"

    async def fetchval(self, sql: str, *_: Any) -> bool:
        assert _normal(sql) == "SELECT pg_try_advisory_lock($1)"
        await self._ask()
        if self.store.relaying is None:
            self.store.relaying = self
        return self.store.relaying is self

    async def _lock(self) -> None:
        await self._ask()
        while self.store.relaying is not None:
            await self.store.released.wait()
            if self.closed:
                raise Gone("the server closed the connection")
        self.store.relaying = self


# The runtime's statements

Meaning = Callable[..., Awaitable[Any]]
_MEANINGS: dict[str, Meaning] = {}


@lru_cache(1000)
def _normal(sql: str) -> str:
    return " ".join(sql.split())


@lru_cache(1000)
def _meaning(sql: str) -> Meaning:
    found = _MEANINGS.get(_normal(sql))
    if found is None:
        raise AssertionError(f"the simulated database was not told what this means: {_normal(sql)}")
    return found


def _means(sql: str) -> Callable[[Meaning], Meaning]:
    def remember(meaning: Meaning) -> Meaning:
        _MEANINGS[_normal(sql)] = meaning
        return meaning

    return remember


@_means(
    """SELECT topic, partition, next_offset, tick_at FROM inbox
       JOIN unnest($1::text[], $2::int[]) AS wanted(topic, partition) USING (topic, partition)"""
)
async def _get_positions(session: Transaction, topics: list[str], numbers: list[int]) -> list[Row]:
    found = [
        ((topic, number), session.get("inbox", (topic, number))) for topic, number in zip(topics, numbers, strict=True)
    ]
    return [{"topic": key[0], "partition": key[1], **row} for key, row in found if row is not None]


@_means(
    """INSERT INTO inbox (topic, partition, first_offset, next_offset) VALUES ($1, $2, $3, $3)
       ON CONFLICT DO NOTHING"""
)
async def _add_position(session: Transaction, topic: str, number: int, first: int) -> int:
    await session.lock("inbox", (topic, number))
    if session.get("inbox", (topic, number)) is not None:
        return 0
    row = {"first_offset": first, "next_offset": first, "applied": 0, "parked": 0, "ticks": 0}
    session.put("inbox", (topic, number), {**row, "tick_at": None, "tick_partitions": None})
    return 1


_ADVANCE = """UPDATE inbox SET next_offset = s.next_offset, applied = inbox.applied + s.applied,
       parked = inbox.parked + s.parked, ticks = inbox.ticks + s.ticks,
       tick_at = greatest(inbox.tick_at, s.tick_at),
       tick_partitions = greatest(inbox.tick_partitions, s.tick_partitions)
FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::timestamptz[], $9::int[])
     AS s(topic, partition, old_offset, next_offset, applied, parked, ticks, tick_at, tick_partitions)
WHERE inbox.topic = s.topic AND inbox.partition = s.partition AND inbox.next_offset = s.old_offset"""


@_means(_ADVANCE)
async def _advance(session: Transaction, *columns: list[Any], comparing: bool = True) -> int:
    moved = 0
    for topic, number, old, following, applied, parked, ticks, tick_at, partitions in zip(*columns, strict=True):
        await session.lock("inbox", (topic, number))
        row = session.get("inbox", (topic, number))
        if row is None or (comparing and row["next_offset"] != old):
            continue
        moved += 1
        new: Row = {
            "first_offset": row["first_offset"],
            "next_offset": following,
            "applied": row["applied"] + applied,
            "parked": row["parked"] + parked,
            "ticks": row["ticks"] + ticks,
            "tick_at": _greatest(row["tick_at"], tick_at),
            "tick_partitions": _greatest(row["tick_partitions"], partitions),
        }
        session.put("inbox", (topic, number), new)
    return moved


@_means(_ADVANCE.replace(" AND inbox.next_offset = s.old_offset", ""))
async def _advance_blindly(session: Transaction, *columns: list[Any]) -> int:
    """What a mutation makes of it."""
    return await _advance(session, *columns, comparing=False)  # type: ignore[call-arg]


def _greatest(one: Any, other: Any) -> Any:
    return max((each for each in (one, other) if each is not None), default=None)


@_means("SELECT at FROM clock WHERE one = 1")
async def _get_clock(session: Transaction) -> list[Row]:
    return [row] if (row := session.get("clock", 1)) else []


@_means("SELECT at FROM clock WHERE one = 1 FOR UPDATE")
async def _lock_clock(session: Transaction) -> list[Row]:
    await session.lock("clock", 1)
    return await _get_clock(session)


@_means("SELECT at FROM clock WHERE one = 1 FOR UPDATE SKIP LOCKED")
async def _lock_clock_if_free(session: Transaction) -> list[Row]:
    if session.blocked_by("clock", 1) is not None:
        return []
    return await _lock_clock(session)


@_means("SELECT at FROM clock WHERE one = 1 FOR SHARE")
async def _share_clock(session: Transaction) -> list[Row]:
    await session.share("clock", 1)
    return await _get_clock(session)


@_means("UPDATE clock SET at = $1 WHERE one = 1")
async def _set_clock(session: Transaction, at: Any) -> int:
    await session.lock("clock", 1)
    session.put("clock", 1, {"at": at})
    return 1


@_means(
    """SELECT CASE WHEN count(*) = $2::int AND bool_and(known >= expected AND lowest IS NOT NULL) THEN min(lowest) END
FROM (SELECT topic, count(tick_at) AS known, max(tick_partitions) AS expected,
             CASE WHEN bool_and(tick_at IS NOT NULL) THEN min(tick_at) END AS lowest
      FROM inbox WHERE topic = ANY($1) GROUP BY topic) AS by_topic"""
)
async def _lowest(session: Transaction, topics: list[str], count: int) -> list[Row]:
    by_topic: dict[str, list[Row]] = {}
    for (topic, _), row in session.scan("inbox").items():
        if topic in topics:
            by_topic.setdefault(topic, []).append(row)
    complete = len(by_topic) == count
    for rows in by_topic.values():
        known = [row["tick_at"] for row in rows if row["tick_at"] is not None]
        expected = _greatest(0, max((row["tick_partitions"] or 0 for row in rows), default=0))
        complete = complete and len(known) == len(rows) == expected
    return [{"min": min(row["tick_at"] for rows in by_topic.values() for row in rows) if complete else None}]


IGNORING = "SELECT min(tick_at) FROM inbox WHERE topic = ANY($1) AND $2::int > 0"
NEWEST = "SELECT max(tick_at) FROM inbox WHERE topic = ANY($1) AND $2::int > 0"


@_means(IGNORING)
async def _lowest_known(session: Transaction, topics: list[str], _count: int) -> list[Row]:
    """What a mutation makes of it: a partition without a tick does not count."""
    known = [row["tick_at"] for (topic, _), row in session.scan("inbox").items() if topic in topics and row["tick_at"]]
    return [{"min": min(known, default=None)}]


@_means(NEWEST)
async def _newest_known(session: Transaction, topics: list[str], _count: int) -> list[Row]:
    """What a mutation makes of it: the time that it is anywhere."""
    known = [row["tick_at"] for (topic, _), row in session.scan("inbox").items() if topic in topics and row["tick_at"]]
    return [{"max": max(known, default=None)}]


@_means(
    """WITH told AS (INSERT INTO outbox (events, messages, tick_at) VALUES ($1, $2, $3) RETURNING tick_at)
       SELECT pg_notify('comeback_outbox', CASE WHEN tick_at IS NULL THEN '' ELSE 'tick' END) FROM told"""
)
async def _tell(session: Transaction, events: int, messages: bytes, tick_at: Any) -> int:
    session.store.sequence += 1
    await session.lock("outbox", session.store.sequence)
    session.put("outbox", session.store.sequence, {"events": events, "messages": messages, "tick_at": tick_at})
    session.notices.append("tick" if tick_at is not None else "")
    return 1


@_means(
    """INSERT INTO parked (topic, partition, record_offset, key, body, reason)
       SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bytea[], $5::bytea[], $6::text[])
       ON CONFLICT (topic, partition, record_offset) DO UPDATE
       SET attempts = parked.attempts + 1, reason = excluded.reason, retry_requested_at = NULL"""
)
async def _add_parked(session: Transaction, *columns: list[Any]) -> int:
    for topic, number, offset, _key, body, reason in zip(*columns, strict=True):
        await session.lock("parked", (topic, number, offset))
        session.put("parked", (topic, number, offset), {"body": body, "reason": reason})
    return len(columns[0])
