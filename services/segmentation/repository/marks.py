"""Whom the next tick has to look at: those of whom something was told, and those for whom time alone does something."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from math import ceil
from typing import Any, NamedTuple

from services.segmentation.domain import SECOND, Micros, instant_or_none, micros
from services.segmentation.repository.instants import received, sent
from shared.database import Session, as_array, execute, fetch, fetch_value

# What waits costs a little at each tick of its second; what lies further ahead is looked at now, and found when due.
_A_LITTLE = 60 * SECOND


class Mark(NamedTuple):
    """From when on a customer's lifecycle may be another (None: it is not); `untimed`: a change without an instant."""

    changes_from: Micros | None
    untimed: bool

    def widened(self, other: "Mark") -> "Mark":
        instants = [at for at in (self.changes_from, other.changes_from) if at is not None]
        return Mark(min(instants, default=None), self.untimed or other.untimed)

    def waits_at(self, at: Micros) -> bool:
        """Whether what it says of the lifecycle is ahead of `at`, and not far."""
        return self.changes_from is not None and at < self.changes_from <= at + _A_LITTLE


class Marks(NamedTuple):
    """Whom facts touched since the last tick, and of the few of whom they change a lifecycle or a date: what."""

    customer_ids: set[str]
    changed: dict[str, Mark]

    def joined(self, other: "Marks") -> "Marks":
        changed = dict(self.changed)
        _widen(changed, other.changed.items())
        return Marks(self.customer_ids | other.customer_ids, changed)


def _widen(changed: dict[str, Mark], marks: Iterable[tuple[str, Mark]]) -> None:
    for customer_id, mark in marks:
        known = changed.get(customer_id)
        changed[customer_id] = mark if known is None else known.widened(mark)


_TOUCHED = Mark(None, untimed=False)
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
    rows = (
        []
        if merged is None
        else await fetch(session, f"DELETE FROM marks WHERE not_before <= $1 RETURNING {_TAKEN}", at)
    )
    return _merged(rows)


async def divide(session: Session, marks: Marks, limit: int) -> None:
    """Marks as pieces of up to `limit` customers, about the same size, so that who takes them is ready together."""
    customer_ids = sorted(marks.customer_ids)
    size = ceil(len(customer_ids) / ceil(len(customer_ids) / limit))
    for start in range(0, len(customer_ids), size):
        piece = customer_ids[start : start + size]
        await _put_back(session, {key: marks.changed.get(key, _TOUCHED) for key in piece}, merged=True)


async def take_piece(session: Session, at: datetime) -> Marks | None:
    """Takes a piece away that nobody else is at; None if there is none, or if news have to be merged with it first."""
    if not await fetch_value(session, _OLDEST_KIND, at):
        return None
    rows = await fetch(session, f"DELETE FROM marks WHERE mark_id = ({_FREE_PIECE}) RETURNING {_TAKEN}")
    return _merged(rows) if rows else None


def _merged(rows: Iterable[Any]) -> Marks:
    touched: set[str] = set()
    changed: dict[str, Mark] = {}
    for customer_ids, changes, all_untimed in rows:
        touched.update(customer_ids)
        if changes is not None:
            marks = map(Mark, received(changes), all_untimed)
            _widen(changed, zip(customer_ids, marks, strict=True))
    return Marks(touched, changed)


async def wait_for(session: Session, marks: Mapping[str, Mark]) -> None:
    """Keeps what marks say of lifecycles until the tick at which it matters: those of a second together."""
    instants = sorted((mark.changes_from, key) for key, mark in marks.items() if mark.changes_from is not None)
    for _, some in groupby(instants, key=lambda each: each[0] // SECOND):
        group = {key: Mark(changes_from, untimed=False) for changes_from, key in some}
        await _put_back(session, group, not_before=next(iter(group.values())).changes_from)


async def _put_back(
    session: Session, marks: Mapping[str, Mark], *, merged: bool = False, not_before: Micros | None = None
) -> None:
    await execute(
        session,
        """INSERT INTO marks (merged, customer_ids, changes_from, untimed, not_before)
           VALUES ($1, $2::text::text[], $3::text::timestamptz[], $4::text::bool[],
                   coalesce($5::timestamptz, '-infinity'))""",
        merged,
        as_array(list(marks)),
        as_array([instant_or_none(mark.changes_from) for mark in marks.values()]),
        as_array([mark.untimed for mark in marks.values()]),
        instant_or_none(not_before),
    )


# Limits on each source alone, so that a chunk costs what it does and not what is left.
_DUE = """
WITH passed AS (
    DELETE FROM memberships_due WHERE customer_id IN (
        SELECT customer_id FROM memberships_due WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
    RETURNING customer_id)
(SELECT customer_id, true AS moves FROM lifecycle_states WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
UNION ALL SELECT customer_id, false FROM passed
"""


async def take_due(session: Session, at: datetime, limit: int) -> Marks:
    """Customers for whom something is due by `at`, marked: fewer than `limit` if these are all.

    Whoever takes them settles their memberships, and so finds what is due next.
    """
    rows = await fetch(session, _DUE, at, limit)
    # Nothing was told of them, so there is no earlier instant from which on their lifecycle may be another one.
    mark = Mark(micros(at), untimed=False)
    return Marks({row["customer_id"] for row in rows}, {row["customer_id"]: mark for row in rows if row["moves"]})
