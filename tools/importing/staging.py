"""What a file told, on disk and ordered by person until it is sent: a file may be larger than memory.

A private database of SQLite's that vanishes with the process.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from shared.events.codec import encode
from tools.importing.kinds import Thing

# The file is nobody's but ours, and gone with us: nothing of it need be safe.
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -65536;
CREATE TABLE known (natural BLOB PRIMARY KEY, line INTEGER, content BLOB) WITHOUT ROWID;
CREATE TABLE told (person TEXT, line INTEGER, bodies BLOB);
"""
# An encoded event holds no line break, so one can stand between two.
_BETWEEN = b"\n"


class Added(Enum):
    NEW = auto()
    REPEATED = auto()
    CONTRADICTS = auto()


class Told(NamedTuple):
    """One row of the file, ready to be sent."""

    person: str
    line: int
    bodies: list[bytes]


class Staging:
    def __init__(self) -> None:
        # No name: a temporary file, which is only used when memory does not do.
        self._db = sqlite3.connect("")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    def add(self, thing: Thing, line: int) -> tuple[Added, int]:
        """What the row is beside those before it, and on which line its natural key stood first."""
        body = _BETWEEN.join(map(encode, thing.events))
        natural, content = _digest("\0".join(thing.natural).encode()), _digest(body)
        found = self._db.execute("INSERT OR IGNORE INTO known VALUES (?, ?, ?)", (natural, line, content))
        if found.rowcount == 0:
            first, known = self._db.execute("SELECT line, content FROM known WHERE natural = ?", (natural,)).fetchone()
            return (Added.REPEATED if known == content else Added.CONTRADICTS), first
        self._db.execute("INSERT INTO told VALUES (?, ?, ?)", (thing.person, line, body))
        return Added.NEW, line

    def count(self, after: str | None = None) -> tuple[int, int]:
        """How many rows and how many people."""
        sql = "SELECT count(*), count(DISTINCT person) FROM told WHERE person > ?"
        rows, people = self._db.execute(sql, (after or "",)).fetchone()
        return rows, people

    def in_turn(self, after: str | None = None) -> Iterator[list[Told]]:
        """All that is told of each person behind `after`, person by person, always in the same order."""
        rows = self._db.execute("SELECT * FROM told WHERE person > ? ORDER BY person, line", (after or "",))
        of_one: list[Told] = []
        for person, line, body in rows:
            if of_one and of_one[0].person != person:
                yield of_one
                of_one = []
            of_one.append(Told(person, line, body.split(_BETWEEN)))
        if of_one:
            yield of_one


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
