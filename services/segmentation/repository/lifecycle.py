"""Stages: where customers stand, the history, and what is counted over it."""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from services.segmentation.domain import (
    Advance,
    LifecycleModel,
    Micros,
    Stage,
    Standing,
    instant,
    instant_or_never,
    instant_or_none,
)
from shared.database import ReadSession, Session, as_array, as_columns, execute, fetch, unnest


class Case(NamedTuple):
    """A customer to be advanced: where they were known to stand, where to begin, and the orders that matter.

    `rewound_to`: something changed before the last order or the stage that holds; the history is told anew from there.
    """

    customer_id: str
    before: Standing
    start: Standing
    orders: list[Micros]
    first_visit_at: Micros | None
    rewound_to: datetime | None


def _micros(instant: str) -> str:
    return f"(extract(epoch FROM {instant}) * 1000000)::bigint"


# Nearly all orders are a little older than the last tick. One that is younger than the last order and the present stage
# contradicts nothing that is stored, so it needs no look at the history: one only begins a little earlier. That is why
# `recent_orders` reach back from the later of those two, not from the last tick.
_CASES = f"""
SELECT w.customer_id, s.stage, {_micros("s.stage_since")} AS since, s.reacquired,
       {_micros("s.cycle_started_at")} AS cycle_started_at, {_micros("s.last_order_at")} AS last_order_at,
       {_micros("known.until")} AS known_until, {_micros("begin.at")} AS begins_at,
       again.rewound, s.recent_orders,
       -- Whoever has ordered is past where a visit leads to.
       CASE WHEN s.last_order_at IS NULL OR again.rewound THEN (
           SELECT {_micros("c.first_visit_at")} FROM customers AS c WHERE c.customer_id = w.customer_id
       ) END AS first_visit_at,
       ARRAY(SELECT {_micros("o.paid_at")} FROM known_orders AS o
             WHERE o.customer_id = w.customer_id AND o.counted AND o.paid_at > begin.at ORDER BY o.paid_at) AS orders
FROM {unnest("text timestamptz")} AS w(customer_id, changes_from)
LEFT JOIN lifecycle_states AS s USING (customer_id)
CROSS JOIN LATERAL (SELECT greatest(s.evaluated_at, $3::timestamptz)) AS known(until)
CROSS JOIN LATERAL (SELECT least(known.until, w.changes_from - interval '1 microsecond')) AS begin(at)
CROSS JOIN LATERAL (
    SELECT coalesce(w.changes_from <= greatest(s.stage_since, s.last_order_at), false)) AS again(rewound)
"""

# Seconds, never days: a day of PostgreSQL's is a calendar day of the session's time zone.
_REWOUND = f"""
SELECT w.customer_id, h.stage, {_micros("h.since")} AS since, h.reacquired, h.from_stage,
       {_micros("coalesce(back.since, first.paid_at)")} AS cycle_started_at, {_micros("last.paid_at")} AS last_order_at,
       ARRAY(SELECT {_micros("o.paid_at")} FROM known_orders AS o
             WHERE o.customer_id = w.customer_id AND o.counted AND o.paid_at < w.changes_from
               AND o.paid_at >= coalesce(greatest(h.since, last.paid_at), w.changes_from) - make_interval(secs => $3)
             ORDER BY o.paid_at) AS recent_orders
FROM {unnest("text timestamptz")} AS w(customer_id, changes_from)
LEFT JOIN LATERAL (SELECT * FROM lifecycle_history AS h WHERE h.customer_id = w.customer_id AND h.since < w.changes_from
                   ORDER BY h.since DESC LIMIT 1) AS h ON true
LEFT JOIN LATERAL (SELECT max(b.since) FROM lifecycle_history AS b
                   WHERE b.customer_id = w.customer_id AND b.since < w.changes_from AND b.reacquired
                  ) AS back(since) ON true
LEFT JOIN LATERAL (SELECT o.paid_at FROM known_orders AS o
                   WHERE o.customer_id = w.customer_id AND o.counted AND o.paid_at < w.changes_from
                   ORDER BY o.paid_at LIMIT 1) AS first ON true
LEFT JOIN LATERAL (SELECT o.paid_at FROM known_orders AS o
                   WHERE o.customer_id = w.customer_id AND o.counted AND o.paid_at < w.changes_from
                   ORDER BY o.paid_at DESC LIMIT 1) AS last ON true
"""


async def get_cases(
    session: ReadSession,
    model: LifecycleModel,
    changes: dict[str, Micros],
    previous: datetime,
) -> list[Case]:
    """The customers whose lifecycle may have moved since `previous`; `changes` says from when on."""
    if not changes:
        return []
    begins = [instant(each) for each in changes.values()]
    rows = await fetch(session, _CASES, as_array(list(changes)), as_array(begins), previous)
    again = {row["customer_id"]: instant(changes[row["customer_id"]]) for row in rows if row["rewound"]}
    if not again:
        return [_case(row) for row in rows]
    found = await fetch(session, _REWOUND, *as_columns(again.items()), model.lookback / 1_000_000)
    rewound = {row["customer_id"]: row for row in found}
    return [
        _rewound_case(row, rewound[row["customer_id"]], again[row["customer_id"]]) if row["rewound"] else _case(row)
        for row in rows
    ]


def _case(row: Any) -> Case:
    before = _standing(row, row["known_until"])
    start = before if row["begins_at"] == row["known_until"] else _standing(row, row["begins_at"])
    orders = [*_unpacked(row["recent_orders"] or b""), *row["orders"]]
    return Case(row["customer_id"], before, start, orders, row["first_visit_at"], None)


def _rewound_case(row: Any, rewound: Any, rewound_to: datetime | None) -> Case:
    before = _standing(row, row["known_until"])
    orders = [*rewound["recent_orders"], *row["orders"]]
    start = _standing(rewound, row["begins_at"])._replace(from_stage=_STAGES[rewound["from_stage"]])
    return Case(row["customer_id"], before, start, orders, row["first_visit_at"], rewound_to)


_STAGES: dict[str | None, Stage | None] = {None: None, **{stage.value: stage for stage in Stage}}


def _standing(row: Any, at: Micros) -> Standing:
    return Standing(
        at,
        _STAGES[row["stage"]],
        row["since"],
        row["reacquired"] or False,
        row["cycle_started_at"],
        row["last_order_at"],
    )


async def save_advances(session: Session, model: LifecycleModel, advances: Sequence[tuple[Case, Advance]]) -> None:
    """The histories end as the advances say; only what differs is written."""
    await _delete_rewound([case for case, _ in advances if case.rewound_to is not None], session)
    await _close_entries(session, advances)
    await _add_entries(session, model, advances)
    await _upsert_states(session, model, advances)


async def _delete_rewound(cases: Sequence[Case], session: Session) -> None:
    if cases:
        await execute(
            session,
            f"""DELETE FROM lifecycle_history AS h USING {unnest("text timestamptz")} AS w(customer_id, since)
               WHERE h.customer_id = w.customer_id AND h.since >= w.since""",
            *as_columns([(case.customer_id, case.rewound_to) for case in cases]),
        )


async def _close_entries(session: Session, advances: Sequence[tuple[Case, Advance]]) -> None:
    rows = [
        (case.customer_id, instant(case.start.since), instant(done.entries[0].since) if done.entries else None)
        for case, done in advances
        if case.start.since is not None and (done.entries or case.rewound_to is not None)
    ]
    if rows:
        await execute(
            session,
            f"""UPDATE lifecycle_history AS h SET until = w.until
               FROM {unnest("text timestamptz timestamptz")} AS w(customer_id, since, until)
               WHERE h.customer_id = w.customer_id AND h.since = w.since""",
            *as_columns(rows),
        )


async def _add_entries(session: Session, model: LifecycleModel, advances: Sequence[tuple[Case, Advance]]) -> None:
    rows = [
        (
            case.customer_id,
            instant(entry.since),
            instant(following.since) if following else None,
            entry.stage,
            entry.from_stage,
            entry.reacquired,
        )
        for case, done in advances
        for entry, following in pairwise([*done.entries, None])
        if entry
    ]
    if rows:
        await execute(
            session,
            f"""INSERT INTO lifecycle_history (customer_id, since, until, stage, from_stage, reacquired, model_version)
               SELECT *, $7::int FROM {unnest("text timestamptz timestamptz text text bool")}""",
            *as_columns(rows),
            model.version,
        )


async def _upsert_states(session: Session, model: LifecycleModel, advances: Sequence[tuple[Case, Advance]]) -> None:
    await execute(
        session,
        f"""INSERT INTO lifecycle_states (customer_id, stage, stage_since, reacquired, cycle_started_at, last_order_at,
                  due_at, recent_orders, evaluated_at)
           SELECT *, $9::timestamptz
           FROM {unnest("text text timestamptz bool timestamptz timestamptz timestamptz bytea")}
           ON CONFLICT (customer_id) DO UPDATE SET stage = excluded.stage, stage_since = excluded.stage_since,
                  reacquired = excluded.reacquired, cycle_started_at = excluded.cycle_started_at,
                  last_order_at = excluded.last_order_at, recent_orders = excluded.recent_orders,
                  evaluated_at = excluded.evaluated_at, due_at = excluded.due_at""",
        *as_columns(_state(model, case, done) for case, done in advances),
        instant(advances[0][1].standing.at),
    )


def _state(model: LifecycleModel, case: Case, done: Advance) -> tuple[Any, ...]:
    _, stage, since, reacquired, cycle, last, _ = done.standing
    return (
        case.customer_id,
        stage,
        instant_or_none(since),
        reacquired,
        instant_or_none(cycle),
        instant_or_none(last),
        instant_or_never(done.due_at),
        "\\x" + _recent(model, case, done.standing).hex(),
    )


def _recent(model: LifecycleModel, case: Case, standing: Standing) -> bytes:
    begins_at = max(
        (each for each in (standing.since, standing.last_order_at) if each is not None), default=standing.at
    )
    first = bisect_right(case.orders, begins_at - model.lookback)
    recent = case.orders[first : bisect_right(case.orders, standing.at)]
    return struct.pack(f">{len(recent)}q", *recent)


def _unpacked(recent: bytes) -> tuple[Micros, ...]:
    return struct.unpack(f">{len(recent) // 8}q", recent)


async def list_history(session: ReadSession, customer_id: str, after: datetime | None, limit: int) -> list[Any]:
    """A customer's stages, the newest last."""
    return await fetch(
        session,
        """SELECT * FROM lifecycle_history WHERE customer_id = $1 AND ($2::timestamptz IS NULL OR since > $2)
           ORDER BY since LIMIT $3""",
        customer_id,
        after,
        limit,
    )


async def count_stages(session: ReadSession, at: datetime) -> dict[str, int]:
    """How many customers were in each stage at `at`; stages without any are left out."""
    rows = await fetch(
        session,
        """SELECT stage, count(*) AS customers FROM (
               SELECT stage FROM lifecycle_history WHERE until > $1 AND since <= $1
               UNION ALL SELECT stage FROM lifecycle_history WHERE until IS NULL AND since <= $1) AS held
           GROUP BY stage""",
        at,
    )
    return {row["stage"]: row["customers"] for row in rows}


async def count_transitions(session: ReadSession, start: datetime | None, end: datetime | None) -> list[Any]:
    """How many steps from each stage to each other one happened in `[start, end)`; from no stage first."""
    return await fetch(
        session,
        """SELECT from_stage, stage AS to_stage, count(*) AS changes FROM lifecycle_history
           WHERE ($1::timestamptz IS NULL OR since >= $1) AND ($2::timestamptz IS NULL OR since < $2)
           GROUP BY from_stage, stage ORDER BY from_stage NULLS FIRST, stage""",
        start,
        end,
    )
