"""Segments, their versions, and how far each has been filled."""

from datetime import datetime
from typing import Any

from services.segmentation.domain import Segment, Status, read_rule
from services.segmentation.errors import SegmentNotFound
from shared.database import ReadSession, Session, execute, fetch, fetch_one, fetch_value

# What is deleted is gone for callers, while its members may still be leaving.
_SEGMENT = "SELECT *, rule::text AS rule_text FROM segments WHERE segment_id = $1 AND status IN ('filling', 'active')"


def _segment(row: Any) -> Segment:
    return Segment(
        row["segment_id"], row["version"], Status(row["status"]), row["filled_up_to"], read_rule(row["rule_text"])
    )


async def list_settled(session: ReadSession) -> list[Segment]:
    """The segments whose memberships ticks keep right."""
    rows = await fetch(
        session,
        """SELECT *, rule::text AS rule_text FROM segments WHERE status IN ('filling', 'active') ORDER BY segment_id""",
    )
    return [_segment(row) for row in rows]


async def get_unfinished(session: ReadSession) -> Segment | None:
    """The oldest segment that is being filled or emptied."""
    row = await fetch_one(
        session,
        """SELECT *, rule::text AS rule_text FROM segments WHERE status IN ('filling', 'leaving')
           ORDER BY updated_at, segment_id LIMIT 1""",
    )
    return None if row is None else _segment(row)


async def mark_filled(session: Session, segment: Segment, filled_up_to: str, count: int, *, done: bool) -> None:
    """Unless the rule has changed meanwhile: then filling begins again."""
    await execute(
        session,
        """UPDATE segments SET filled_up_to = $3, filled = filled + $4,
                  status = CASE WHEN $5 THEN 'active' ELSE status END
           WHERE segment_id = $1 AND version = $2 AND status = 'filling'""",
        segment.segment_id,
        segment.version,
        filled_up_to,
        count,
        done,
    )


async def archive_segment(session: Session, segment_id: str) -> None:
    await execute(session, "UPDATE segments SET status = 'archived' WHERE segment_id = $1", segment_id)


async def count_customers(session: ReadSession) -> int:
    return await fetch_value(session, "SELECT count(*) FROM customers")


async def add_segment(session: Session, segment_id: str, name: str, rule: str, to_fill: int, now: datetime) -> Any:
    await execute(
        session,
        """INSERT INTO segments (segment_id, version, name, rule, status, filled_up_to, filled, to_fill, created_at,
                  updated_at)
           VALUES ($1, 1, $2, $3::text::json, 'filling', '', 0, $4, $5, $5)""",
        segment_id,
        name,
        rule,
        to_fill,
        now,
    )
    return await get_segment(session, segment_id)


async def update_segment(session: Session, segment_id: str, name: str, now: datetime) -> None:
    await execute(
        session, "UPDATE segments SET name = $2, updated_at = $3 WHERE segment_id = $1", segment_id, name, now
    )


async def restart_filling(session: Session, segment_id: str, rule: str, to_fill: int) -> None:
    """The next version of the rule, under which nobody has been looked at yet."""
    await execute(
        session,
        """UPDATE segments SET rule = $2::text::json, version = version + 1, status = 'filling', filled_up_to = '',
                  filled = 0, to_fill = $3
           WHERE segment_id = $1""",
        segment_id,
        rule,
        to_fill,
    )


async def begin_leaving(session: Session, segment_id: str, now: datetime) -> None:
    await execute(
        session, "UPDATE segments SET status = 'leaving', updated_at = $2 WHERE segment_id = $1", segment_id, now
    )


async def add_version(session: Session, segment_id: str, now: datetime) -> None:
    """Keeps the present rule with its version."""
    await execute(
        session,
        """INSERT INTO segment_versions (segment_id, version, rule, created_at)
           SELECT segment_id, version, rule, $2 FROM segments WHERE segment_id = $1""",
        segment_id,
        now,
    )


async def get_segment(session: ReadSession, segment_id: str) -> Any:
    """A segment's row; raises SegmentNotFound, also when it was deleted."""
    return _found(await fetch_one(session, _SEGMENT, segment_id), segment_id)


async def lock_segment(session: Session, segment_id: str) -> Any:
    """As get_segment, and nobody else changes it until this transaction ends."""
    return _found(await fetch_one(session, f"{_SEGMENT} FOR UPDATE", segment_id), segment_id)


def _found(row: Any, segment_id: str) -> Any:
    if row is None:
        raise SegmentNotFound(f"there is no segment {segment_id}")
    return row


async def list_segments(session: ReadSession, after: tuple[datetime, str] | None, limit: int) -> list[Any]:
    """Segments, the oldest first."""
    created_at, segment_id = after or (None, None)
    return await fetch(
        session,
        """SELECT *, rule::text AS rule_text FROM segments WHERE status IN ('filling', 'active')
             AND ($1::timestamptz IS NULL OR (created_at, segment_id) > ($1, $2))
           ORDER BY created_at, segment_id LIMIT $3""",
        created_at,
        segment_id,
        limit,
    )
