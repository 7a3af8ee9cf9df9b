"""Whom the next tick has to look at: those of whom something was told, and those for whom time alone does something."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from shared.database import ReadSession, Session, execute, fetch, fetch_one


class Mark(NamedTuple):
    """From when on a customer's lifecycle may be another (None: it is not); `untimed`: a change without an instant."""

    changes_from: datetime | None
    untimed: bool

    def widened(self, other: "Mark") -> "Mark":
        instants = [at for at in (self.changes_from, other.changes_from) if at is not None]
        return Mark(min(instants, default=None), self.untimed or other.untimed)


async def take_marks(session: Session, limit: int) -> tuple[dict[str, Mark], bool]:
    """Takes the marks of up to `limit` customers away, all of each customer; and whether others are left."""
    if not await fetch_one(session, "SELECT 1 FROM marks WHERE NOT merged LIMIT 1"):
        return await _take_piece(session)
    # All marks of a customer go together: a half of them would show a past that never was.
    marks = _merged(await fetch(session, "DELETE FROM marks RETURNING customer_ids, changes_from, untimed"))
    customer_ids = sorted(marks)
    for start in range(limit, len(marks), limit):
        await _put_back(session, {key: marks[key] for key in customer_ids[start : start + limit]})
    return {key: marks[key] for key in customer_ids[:limit]}, len(marks) > limit


def _merged(rows: Iterable[Any]) -> dict[str, Mark]:
    marks: dict[str, Mark] = {}
    for row in rows:
        for customer_id, changes_from, untimed in zip(*row, strict=True):
            mark, known = Mark(changes_from, untimed), marks.get(customer_id)
            marks[customer_id] = mark if known is None else known.widened(mark)
    return marks


async def _take_piece(session: Session) -> tuple[dict[str, Mark], bool]:
    rows = await fetch(
        session,
        """DELETE FROM marks WHERE mark_id = (SELECT min(mark_id) FROM marks)
           RETURNING customer_ids, changes_from, untimed""",
    )
    return _merged(rows), bool(await fetch_one(session, "SELECT 1 FROM marks LIMIT 1"))


async def _put_back(session: Session, marks: dict[str, Mark]) -> None:
    await execute(
        session,
        "INSERT INTO marks (merged, customer_ids, changes_from, untimed) VALUES (true, $1, $2, $3)",
        list(marks),
        [mark.changes_from for mark in marks.values()],
        [mark.untimed for mark in marks.values()],
    )


# Limits on each source alone, so that a chunk costs what it does and not what is left.
_DUE = """
(SELECT customer_id FROM lifecycle_states WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
UNION (SELECT customer_id FROM memberships_due WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
"""


async def list_due(session: ReadSession, at: datetime, limit: int) -> list[str]:
    """Customers for whom something is due by `at`: fewer than `limit` if these are all."""
    return [row["customer_id"] for row in await fetch(session, _DUE, at, limit)]
