"""Visits: each is known once."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.database import ReadSession, Session, as_columns, fetch, unnest
from shared.inserting import Insert


class Visit(NamedTuple):
    visit_id: str
    customer_id: str
    shop_id: str
    visited_at: datetime


_PLAIN = f"""INSERT INTO visits (visit_id, customer_id, shop_id, visited_at)
             SELECT * FROM {unnest("text text text timestamptz")}"""
_INSERT = Insert(plain=_PLAIN, careful=f"{_PLAIN} ON CONFLICT DO NOTHING RETURNING visit_id")


async def add_visits(session: Session, visits: Sequence[Visit]) -> list[Visit]:
    """Inserts the visits that are new, and returns those."""
    # Of two with one id the first that was heard, as if they had come in two batches.
    first = {visit.visit_id: visit for visit in reversed(visits)}
    rows = [first[visit_id] for visit_id in sorted(first)]
    added = await _INSERT.run(session, len(rows), *as_columns(rows))
    return rows if added is None else [first[row["visit_id"]] for row in added]


async def list_visits(session: ReadSession, after: str, limit: int) -> list[Visit]:
    """Visits in the order of their ids, those after this one."""
    rows = await fetch(
        session,
        """SELECT visit_id, customer_id, shop_id, visited_at FROM visits
           WHERE visit_id > $1 ORDER BY visit_id LIMIT $2""",
        after,
        limit,
    )
    return [Visit(**dict(row)) for row in rows]
