"""Whom the next tick has to look at: those of whom something was told, and those for whom time alone does something."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from services.segmentation.domain import SECOND, Micros, instant_or_none
from services.segmentation.repository.instants import received, sent
from shared.database import ReadSession, Session, as_array, execute, fetch, fetch_one

# What waits costs a little at each tick of its second; what lies further ahead is looked at now, and found when due.
_A_LITTLE = 10 * SECOND


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


_TOUCHED = Mark(None, untimed=False)
# Of most customers a mark says nothing more than that; a row of those is nothing but their ids.
_SAYS_MORE = "cardinality(array_remove(changes_from, NULL)) > 0 OR array_position(untimed, true) IS NOT NULL"
_TAKEN = f"""customer_ids, CASE WHEN {_SAYS_MORE} THEN {sent("changes_from")} END AS changes,
             CASE WHEN {_SAYS_MORE} THEN untimed END AS untimed"""


async def take_marks(session: Session, limit: int, at: datetime) -> tuple[Marks, bool]:
    """Takes the marks of up to `limit` customers away that do not wait for a tick after `at`, all of each customer;
    and whether others are left.
    """
    if not await fetch_one(session, "SELECT 1 FROM marks WHERE NOT merged AND not_before <= $1 LIMIT 1", at):
        return await _take_piece(session, at)
    # All marks of a customer go together: a half of them would show a past that never was.
    rows = await fetch(session, f"DELETE FROM marks WHERE not_before <= $1 RETURNING {_TAKEN}", at)
    marks = _merged(rows)
    if len(marks.customer_ids) <= limit:
        return marks, False
    customer_ids = sorted(marks.customer_ids)
    for start in range(limit, len(customer_ids), limit):
        piece = customer_ids[start : start + limit]
        await _put_back(session, {key: marks.changed.get(key, _TOUCHED) for key in piece}, merged=True)
    taken = set(customer_ids[:limit])
    return Marks(taken, {key: mark for key, mark in marks.changed.items() if key in taken}), True


def _merged(rows: Iterable[Any]) -> Marks:
    touched: set[str] = set()
    changed: dict[str, Mark] = {}
    for customer_ids, changes, all_untimed in rows:
        touched.update(customer_ids)
        if changes is not None:
            for customer_id, changes_from, untimed in zip(customer_ids, received(changes), all_untimed, strict=True):
                mark, known = Mark(changes_from, untimed), changed.get(customer_id)
                changed[customer_id] = mark if known is None else known.widened(mark)
    return Marks(touched, changed)


async def _take_piece(session: Session, at: datetime) -> tuple[Marks, bool]:
    rows = await fetch(
        session,
        f"""DELETE FROM marks WHERE mark_id = (SELECT min(mark_id) FROM marks WHERE not_before <= $1)
           RETURNING {_TAKEN}""",
        at,
    )
    return _merged(rows), bool(await fetch_one(session, "SELECT 1 FROM marks WHERE not_before <= $1 LIMIT 1", at))


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
(SELECT customer_id FROM lifecycle_states WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
UNION (SELECT customer_id FROM memberships_due WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
"""


async def list_due(session: ReadSession, at: datetime, limit: int) -> list[str]:
    """Customers for whom something is due by `at`: fewer than `limit` if these are all."""
    return [row["customer_id"] for row in await fetch(session, _DUE, at, limit)]
