"""Whom the next tick has to look at: those of whom something was told, and those for whom time alone does something."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import compress, groupby
from math import ceil
from typing import Any, NamedTuple

from services.segmentation.domain import SECOND, Micros, instant, instant_or_none, micros
from services.segmentation.repository.instants import received, sent
from shared.database import ReadSession, Session, as_array, execute, fetch, fetch_value

_NEVER: Micros = 2**63


class Marks(NamedTuple):
    """Whom facts touched since the last tick; from when on the lifecycles of some of them may be others (`changes`);
    and of whom something changed that has no instant (`untimed`). It grows in place.
    """

    customer_ids: set[str]
    changes: dict[str, Micros]
    untimed: set[str]

    def add_changes(self, changes: Iterable[tuple[str, Micros | None]]) -> None:
        """Each of a customer who is in already; of several instants the first counts."""
        known = self.changes
        for customer_id, at in changes:
            if at is not None and at < known.get(customer_id, _NEVER):
                known[customer_id] = at


# Of most customers a mark says nothing more than that; a row of those is nothing but their ids.
_SAYS_MORE = "cardinality(array_remove(changes_from, NULL)) > 0 OR array_position(untimed, true) IS NOT NULL"
_TAKEN = f"""customer_ids, CASE WHEN {_SAYS_MORE} THEN {sent("changes_from")} END AS changes,
             CASE WHEN {_SAYS_MORE} THEN untimed END AS untimed"""

# Whether what is to be looked at has been merged and divided already; marks that have not go first.
_OLDEST_KIND = "SELECT merged FROM marks WHERE not_before <= $1 ORDER BY merged LIMIT 1"
_FREE_PIECE = "SELECT mark_id FROM marks WHERE merged ORDER BY mark_id LIMIT 1 FOR UPDATE SKIP LOCKED"


async def take_marks(session: Session, at: datetime) -> Marks | None:
    """Takes all marks away that do not wait for a tick after `at`; None as long as pieces of them wait instead."""
    merged = await fetch_value(session, _OLDEST_KIND, at)
    if merged:
        return None
    # All marks of a customer go together: a half of them would show a past that never was.
    taken = f"DELETE FROM marks WHERE not_before <= $1 RETURNING {_TAKEN}"
    return _merged([] if merged is None else await fetch(session, taken, at))


async def divide(session: Session, marks: Marks, limit: int) -> None:
    """Marks as pieces of up to `limit` customers, about the same size, so that who takes them is ready together."""
    customer_ids = sorted(marks.customer_ids)
    size = ceil(len(customer_ids) / ceil(len(customer_ids) / limit))
    for start in range(0, len(customer_ids), size):
        await _put_back(session, customer_ids[start : start + size], marks, merged=True)


async def take_piece(session: Session, at: datetime) -> Marks | None:
    """Takes a piece away that nobody else is at; None if there is none, or if news have to be merged with it first."""
    if not await fetch_value(session, _OLDEST_KIND, at):
        return None
    rows = await fetch(session, f"DELETE FROM marks WHERE mark_id = ({_FREE_PIECE}) RETURNING {_TAKEN}")
    return _merged(rows) if rows else None


def _merged(rows: Iterable[Any]) -> Marks:
    marks = Marks(set(), {}, set())
    for customer_ids, changes, untimed in rows:
        marks.customer_ids.update(customer_ids)
        if changes is not None:
            marks.add_changes(zip(customer_ids, received(changes), strict=True))
            marks.untimed.update(compress(customer_ids, untimed))
    return marks


async def wait_for(session: Session, changes: Mapping[str, Micros]) -> None:
    """Keeps what marks say of lifecycles until the tick at which it matters: those of a second together."""
    instants = sorted((at, customer_id) for customer_id, at in changes.items())
    for _, some in groupby(instants, key=lambda each: each[0] // SECOND):
        group = {customer_id: at for at, customer_id in some}
        first = next(iter(group.values()))
        await _put_back(session, list(group), Marks(set(), group, set()), not_before=instant(first))


async def _put_back(
    session: Session,
    customer_ids: list[str],
    marks: Marks,
    *,
    merged: bool = False,
    not_before: datetime | None = None,
) -> None:
    await execute(
        session,
        """INSERT INTO marks (merged, customer_ids, changes_from, untimed, not_before)
           VALUES ($1, $2::text::text[], $3::text::timestamptz[], $4::text::bool[],
                   coalesce($5::timestamptz, '-infinity'))""",
        merged,
        as_array(customer_ids),
        as_array([instant_or_none(at) for at in map(marks.changes.get, customer_ids)]),
        as_array([customer_id in marks.untimed for customer_id in customer_ids]),
        not_before,
    )


# Limits on each source alone, so that a chunk costs what it does and not what is left.
_DUE = """
WITH passed AS (
    -- An array of them, which is looked up by the key; for a set of rows the whole table would be read.
    DELETE FROM memberships_due WHERE customer_id = ANY (ARRAY(
        SELECT customer_id FROM memberships_due WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2))
    RETURNING customer_id)
(SELECT customer_id, true AS moves FROM lifecycle_states WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
UNION ALL SELECT customer_id, false FROM passed
"""


async def add_due(session: ReadSession, marks: Marks, at: datetime) -> None:
    """Marks those among them whose lifecycle is due and whose marks do not say so: they were beyond a limit."""
    tick = micros(at)
    others = [customer_id for customer_id in marks.customer_ids if marks.changes.get(customer_id, _NEVER) > tick]
    due = "SELECT customer_id FROM lifecycle_states WHERE customer_id = ANY($1::text::text[]) AND due_at <= $2"
    rows = await fetch(session, due, as_array(others), at) if others else []
    marks.add_changes((row["customer_id"], tick) for row in rows)


async def take_due(session: Session, at: datetime, limit: int) -> Marks:
    """Customers for whom something is due by `at`, marked: fewer than `limit` if these are all.

    Whoever takes them settles their memberships, and so finds what is due next.
    """
    rows = await fetch(session, _DUE, at, limit)
    # Nothing was told of them, so there is no earlier instant from which on their lifecycle may be another one.
    changes = dict.fromkeys((row["customer_id"] for row in rows if row["moves"]), micros(at))
    return Marks({row["customer_id"] for row in rows}, changes, set())
