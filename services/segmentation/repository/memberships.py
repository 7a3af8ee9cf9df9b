"""Who is in which segment: settled at ticks for the customers concerned, and what time will change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from services.segmentation.domain import Flip, Moment, Segment, Status
from services.segmentation.repository.rules import FACTS, Compiler, asks_for_stage
from shared.database import ReadSession, Session, as_columns, execute, fetch, unnest

# How many segments are looked at in one statement: their rules are columns of it.
_SEGMENTS = 50


@dataclass(frozen=True, slots=True)
class Cause:
    """What may have made a membership flip: the rule at each instant, and the latest of the customer's facts."""

    moments: list[Moment]
    fact_at: datetime | None


async def settle(session: Session, segments: Sequence[Segment], customer_ids: list[str], at: datetime) -> list[Flip]:
    """Who of the customers is not where the rules put them at `at`. Stores when time may next turn a rule.

    A due instant that has moved away is left: looking too early finds nothing, and stores the right one.
    """
    flips: list[Flip] = []
    for start in range(0, len(segments), _SEGMENTS):
        flips += await _settle_some(session, segments[start : start + _SEGMENTS], customer_ids, at)
    return flips


async def _settle_some(
    session: Session, segments: Sequence[Segment], customer_ids: list[str], at: datetime
) -> list[Flip]:
    compiler = Compiler(customer_ids, at, [segment.segment_id for segment in segments])
    now = "$2::timestamptz"
    holds = ", ".join(compiler.holds(segment.rule, now) for segment in segments)
    dues = ", ".join(compiler.due(segment.rule, now) for segment in segments)
    backfilled = ", ".join(_backfilled(compiler, segment) for segment in segments)
    rows = await fetch(
        session,
        f"""WITH verdicts AS MATERIALIZED (
                SELECT c.customer_id, m.segment_ids, d.due_at AS known_due_at, unnest($3::text[]) AS segment_id,
                       unnest(ARRAY[{backfilled}]) AS backfilled, unnest(ARRAY[{holds}]) AS inside,
                       unnest(ARRAY[{dues}]) AS due_at
                FROM {FACTS} LEFT JOIN memberships_due AS d USING (customer_id)
                CROSS JOIN LATERAL (SELECT array_agg(segment_id) FROM memberships WHERE customer_id = c.customer_id
                                   ) AS m(segment_ids)
                WHERE c.customer_id = ANY($1::text[]) AND {now} IS NOT NULL
            ), dues AS (
                INSERT INTO memberships_due AS d (customer_id, due_at)
                SELECT customer_id, min(due_at) FROM verdicts WHERE due_at < coalesce(known_due_at, 'infinity')
                GROUP BY customer_id ORDER BY customer_id
                ON CONFLICT (customer_id) DO UPDATE SET due_at = least(d.due_at, excluded.due_at)
            )
            SELECT customer_id, segment_id, inside, backfilled FROM verdicts
            WHERE inside <> coalesce(segment_id = ANY(segment_ids), false) ORDER BY segment_id, customer_id""",
        *compiler.args,
    )
    return [Flip(row["customer_id"], row["segment_id"], row["inside"], row["backfilled"]) for row in rows]


def _backfilled(compiler: Compiler, segment: Segment) -> str:
    if segment.status is not Status.FILLING:
        return "false"
    # Nobody beyond the place where filling has come was ever looked at: what is found there is no news.
    return f"c.customer_id > {compiler.bind(segment.filled_up_to, 'text')}"


async def get_causes(
    session: ReadSession, segments: Sequence[Segment], flips: Sequence[Flip], at: datetime, previous: datetime
) -> dict[tuple[str, str], Cause]:
    """By (segment, customer): how the rule stood at `previous` and when time or a stage may have turned it since."""
    rules = {segment.segment_id: segment for segment in segments}
    causes: dict[tuple[str, str], Cause] = {}
    for segment_id, found in groupby(sorted(flips, key=lambda flip: flip.segment_id), lambda flip: flip.segment_id):
        rows = await _get_moments(session, rules[segment_id], [flip.customer_id for flip in found], at, previous)
        for row in rows:
            cause = causes.setdefault((segment_id, row["customer_id"]), Cause([], row["fact_at"]))
            cause.moments.append(Moment(row["at"], row["inside"]))
    return causes


async def _get_moments(
    session: ReadSession, segment: Segment, customer_ids: list[str], at: datetime, previous: datetime
) -> list[Any]:
    compiler = Compiler(customer_ids, at, previous)
    moments = "".join(f", ({moment})" for moment in compiler.moments(segment.rule))
    stages = ""
    if asks_for_stage(segment.rule):
        stages = """UNION SELECT customer_id, since FROM lifecycle_history
                    WHERE customer_id = ANY($1) AND since > $3 AND since <= $2"""
    return await fetch(
        session,
        f"""WITH moments AS (
                SELECT c.customer_id, m.at FROM {FACTS} CROSS JOIN LATERAL (VALUES ($3::timestamptz){moments}) AS m(at)
                WHERE c.customer_id = ANY($1::text[]) AND m.at >= $3 AND m.at <= $2::timestamptz {stages}
            )
            SELECT m.customer_id, m.at, {compiler.holds(segment.rule, "m.at")} AS inside,
                   least(greatest(c.last_order_at, c.last_visit_at), $2) AS fact_at
            FROM moments AS m JOIN customers AS c USING (customer_id)
            LEFT JOIN LATERAL (
                SELECT stage, since AS stage_since, reacquired FROM lifecycle_history AS h
                WHERE h.customer_id = m.customer_id AND h.since <= m.at ORDER BY h.since DESC LIMIT 1
            ) AS s ON true
            ORDER BY m.customer_id, m.at""",
        *compiler.args,
    )


async def add_memberships(session: Session, rows: Sequence[tuple[str, str, datetime, int]]) -> None:
    """(customer, segment, since, version of the segment) each; whoever is in already stays as they are."""
    if rows:
        await execute(
            session,
            f"""INSERT INTO memberships (customer_id, segment_id, since, segment_version)
               SELECT * FROM {unnest("text text timestamptz int")} ON CONFLICT DO NOTHING""",
            *as_columns(sorted(rows)),
        )


async def delete_memberships(session: Session, rows: Sequence[tuple[str, str]]) -> None:
    """(customer, segment) each."""
    if rows:
        await execute(
            session,
            f"""DELETE FROM memberships AS m USING {unnest("text text")} AS w(customer_id, segment_id)
               WHERE m.customer_id = w.customer_id AND m.segment_id = w.segment_id""",
            *as_columns(sorted(rows)),
        )


async def list_to_fill(session: ReadSession, after: str, limit: int) -> list[str]:
    rows = await fetch(
        session, "SELECT customer_id FROM customers WHERE customer_id > $1 ORDER BY customer_id LIMIT $2", after, limit
    )
    return [row["customer_id"] for row in rows]


async def take_members(session: Session, segment_id: str, limit: int) -> list[str]:
    """Takes up to `limit` members out of a segment, and says whom."""
    rows = await fetch(
        session,
        """WITH taken AS (SELECT customer_id FROM memberships WHERE segment_id = $1 ORDER BY customer_id LIMIT $2)
           DELETE FROM memberships AS m USING taken
           WHERE m.segment_id = $1 AND m.customer_id = taken.customer_id RETURNING m.customer_id""",
        segment_id,
        limit,
    )
    return sorted(row["customer_id"] for row in rows)


async def list_members(session: ReadSession, segment_id: str, after: str | None, limit: int) -> list[Any]:
    return await fetch(
        session,
        """SELECT m.customer_id, c.source_id, m.since, m.segment_version
           FROM memberships AS m LEFT JOIN customers AS c USING (customer_id)
           WHERE m.segment_id = $1 AND ($2::text IS NULL OR m.customer_id > $2) ORDER BY m.customer_id LIMIT $3""",
        segment_id,
        after,
        limit,
    )


async def list_memberships(session: ReadSession, customer_id: str, after: str | None, limit: int) -> list[Any]:
    """The segments that a customer is in."""
    return await fetch(
        session,
        """SELECT m.segment_id, g.name, m.since, m.segment_version
           FROM memberships AS m JOIN segments AS g USING (segment_id)
           WHERE m.customer_id = $1 AND ($2::text IS NULL OR m.segment_id > $2) AND g.status IN ('filling', 'active')
           ORDER BY m.segment_id LIMIT $3""",
        customer_id,
        after,
        limit,
    )
