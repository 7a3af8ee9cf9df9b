"""What became of a campaign's decisions: how many in which arm, and who ordered or came within the window."""

from datetime import datetime
from typing import Any

from services.metrics.domain.figures import RECALLABLE, Deliveries, Group, Reach, Responses, Spending
from shared.database import ReadSession, fetch, fetch_one, fetch_value

# Large joins are planned for the very campaign that is asked for, in memory and on more than one core. In UTC a day
# has 24 hours. All of it ends with the transaction.
_PLAN = """
SELECT set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '2', true),
       set_config('plan_cache_mode', 'force_custom_plan', true), set_config('TimeZone', 'UTC', true)
"""

_KEYS = """
arm, CASE WHEN outcome = 'refused' THEN coalesce(code, 'refused') WHEN arm = 'suppressed' THEN reason END AS reason,
coalesce(stage = ANY($3::text[]), false) AS recallable, window_ends_at <= $2 AS closed
"""

# The driver reads the edges of the calendar as infinities, and has no years beyond: the bounds keep away from both.
_COUNTS = f"""
SELECT {_KEYS}, count(*) AS decisions,
       greatest(min(decided_at), '0001-01-02Z'::timestamptz) AS first_at,
       least(max(window_ends_at), '9999-12-30Z'::timestamptz) AS last_at
FROM decisions WHERE campaign_id = $1 AND arm IS NOT NULL GROUP BY 1, 2, 3, 4
"""

# $4 and $5 bound all windows of the campaign, so that only orders and visits of that time are looked at. No window is
# longer than 366 d (the contract of `campaign.updated`), neither after a delivery nor before it.
_ORDERED = f"""
WITH ordered AS MATERIALIZED (
    SELECT {_KEYS}, customer_id, decided_at FROM decisions AS d
    WHERE campaign_id = $1 AND arm IS NOT NULL AND EXISTS (
        SELECT FROM orders AS o WHERE o.customer_id = d.customer_id AND o.counted
        AND o.paid_at >= d.decided_at AND o.paid_at < d.window_ends_at AND o.paid_at >= $4 AND o.paid_at < $5)
)
SELECT arm, reason, recallable, closed, count(*) AS decisions FROM ordered GROUP BY 1, 2, 3, 4
UNION ALL
SELECT 'new buyers', NULL, NULL, NULL, count(DISTINCT customer_id) FROM ordered
WHERE arm = 'treated' AND NOT EXISTS (
    SELECT FROM orders AS o WHERE o.customer_id = ordered.customer_id AND o.counted AND o.paid_at < ordered.decided_at)
"""

_FIRSTS = """
WITH firsts AS MATERIALIZED (
    SELECT DISTINCT ON (customer_id) customer_id, arm, coalesce(stage = ANY($3::text[]), false) AS recallable,
           decided_at, window_ends_at, greatest(decided_at, least(window_ends_at, $2)) AS seen_until
    FROM decisions WHERE campaign_id = $1 AND arm IN ('treated', 'held_out')
    ORDER BY customer_id, decided_at, decision_id
), paid AS (
    SELECT f.customer_id, f.arm, f.recallable, o.currency, o.amount - o.refunded_amount AS net,
           o.paid_at >= f.decided_at AS within, o.paid_at >= f.decided_at AND o.paid_at < f.seen_until AS after,
           o.paid_at < f.decided_at AND o.paid_at >= f.decided_at - (f.seen_until - f.decided_at) AS before
    FROM firsts AS f JOIN orders AS o ON o.customer_id = f.customer_id AND o.paid_at < f.window_ends_at
         AND o.paid_at >= f.decided_at - (f.window_ends_at - f.decided_at)
    WHERE o.counted AND o.paid_at >= $4::timestamptz - interval '8784 hours' AND o.paid_at < $5
), spent AS MATERIALIZED (
    SELECT customer_id, arm, recallable, currency, bool_or(within) AS ordered,
           sum(net) FILTER (WHERE within) AS revenue,
           count(*) FILTER (WHERE before) AS orders_before, sum(net) FILTER (WHERE before) AS amount_before,
           count(*) FILTER (WHERE after) AS orders_after, sum(net) FILTER (WHERE after) AS amount_after
    FROM paid GROUP BY 1, 2, 3, 4
)
SELECT arm, recallable, NULL AS currency, count(*) AS customers, count(buyer) AS ordered, 0 AS orders_before,
       0 AS amount_before, 0 AS buyers_before, 0::float8 AS averages_before, 0 AS orders_after, 0 AS amount_after,
       0 AS buyers_after, 0::float8 AS averages_after, 0 AS revenue, 0 AS revenue_squares
FROM firsts LEFT JOIN (SELECT DISTINCT customer_id AS buyer FROM spent WHERE ordered) AS b ON buyer = customer_id
GROUP BY 1, 2
UNION ALL
SELECT arm, recallable, currency, 0, 0, sum(orders_before), coalesce(sum(amount_before), 0),
       count(*) FILTER (WHERE orders_before > 0), coalesce(sum(amount_before::float8 / nullif(orders_before, 0)), 0),
       sum(orders_after), coalesce(sum(amount_after), 0),
       count(*) FILTER (WHERE orders_after > 0), coalesce(sum(amount_after::float8 / nullif(orders_after, 0)), 0),
       coalesce(sum(revenue), 0), coalesce(sum(revenue * revenue), 0)
FROM spent GROUP BY 1, 2, 3
"""

_REACH = """
WITH delivered AS MATERIALIZED (
    SELECT customer_id, bool_or(window_ends_at <= $2) AS closed
    FROM decisions WHERE campaign_id = $1 AND arm = 'treated' GROUP BY 1
), visited AS MATERIALIZED (
    SELECT customer_id, bool_or(window_ends_at <= $2) AS closed, bool_or(NOT EXISTS (
        SELECT FROM visits AS v WHERE v.customer_id = d.customer_id AND v.visited_at < d.decided_at)) AS new
    FROM decisions AS d WHERE campaign_id = $1 AND arm = 'treated' AND EXISTS (
        SELECT FROM visits AS v WHERE v.customer_id = d.customer_id AND v.visited_at >= d.decided_at
        AND v.visited_at < d.window_ends_at AND v.visited_at >= $3 AND v.visited_at < $4)
    GROUP BY 1
)
SELECT (SELECT count(*) FROM delivered) AS delivered, (SELECT count(*) FROM delivered WHERE closed) AS closed,
       count(*) AS visited, count(*) FILTER (WHERE closed) AS visited_closed, count(*) FILTER (WHERE new) AS new
FROM visited
"""


async def get_deliveries(session: ReadSession, campaign_id: str, clock: datetime) -> Deliveries:
    """A campaign's decisions as of the clock, with what their customers did."""
    await fetch(session, _PLAN)
    scope = (campaign_id, clock, list(RECALLABLE))
    counts = await fetch(session, _COUNTS, *scope)
    if not counts:
        return Deliveries([], [], [], 0, None)
    first_at = min(row["first_at"] for row in counts)
    last_at = max(row["last_at"] for row in counts)
    ordered = {tuple(row)[:4]: row["decisions"] for row in await fetch(session, _ORDERED, *scope, first_at, last_at)}
    new_buyers = ordered.pop(("new buyers", None, None, None))
    groups = [
        Group(
            row["arm"],
            row["reason"],
            row["recallable"],
            row["closed"],
            row["decisions"],
            ordered.get(tuple(row)[:4], 0),
        )
        for row in counts
    ]
    firsts = await fetch(session, _FIRSTS, *scope, first_at, last_at)
    return Deliveries(
        groups,
        [_responses(row) for row in firsts if row["currency"] is None],
        [_spending(row) for row in firsts if row["currency"] is not None],
        new_buyers,
        await _get_reach(session, campaign_id, clock, first_at, last_at),
    )


def _responses(row: Any) -> Responses:
    return Responses(row["arm"], row["recallable"], row["customers"], row["ordered"])


def _spending(row: Any) -> Spending:
    # Sums of bigint are numeric, which the driver hands over as Decimal.
    return Spending(
        row["arm"],
        row["recallable"],
        row["currency"],
        int(row["orders_before"]),
        int(row["amount_before"]),
        row["buyers_before"],
        row["averages_before"],
        int(row["orders_after"]),
        int(row["amount_after"]),
        row["buyers_after"],
        row["averages_after"],
        int(row["revenue"]),
        int(row["revenue_squares"]),
    )


async def _get_reach(
    session: ReadSession, campaign_id: str, clock: datetime, first_at: datetime, last_at: datetime
) -> Reach | None:
    if not await fetch_value(session, "SELECT EXISTS (SELECT FROM visits)"):
        return None
    row = await fetch_one(session, _REACH, campaign_id, clock, first_at, last_at)
    return Reach(**dict(row))
