"""What became of a campaign's decisions: how many in which arm, and who ordered or came within the window."""

from datetime import datetime
from typing import Any

from services.metrics.domain.figures import RECALLABLE, Deliveries, Group, Reach, Spending
from services.metrics.repository.planning import plan_for_many
from shared.database import ReadSession, fetch, fetch_one, fetch_value

_KEYS = """
arm, CASE WHEN outcome = 'refused' THEN coalesce(code, 'refused') WHEN arm = 'suppressed' THEN reason END AS reason,
coalesce(stage = ANY($3::text[]), false) AS recallable, window_ends_at <= $2 AS closed
"""

# The driver reads the edges of the calendar as infinities, and has no years beyond: the bounds keep away from both.
_COUNTS = f"""
SELECT {_KEYS}, count(*) AS decisions,
       greatest(min(decided_at - (window_ends_at - decided_at)), '0001-01-02Z'::timestamptz) AS before_at,
       greatest(min(decided_at), '0001-01-02Z'::timestamptz) AS first_at,
       least(max(window_ends_at), '9999-12-30Z'::timestamptz) AS last_at
FROM decisions WHERE campaign_id = $1 AND arm IS NOT NULL GROUP BY 1, 2, 3, 4
"""

# Most campaigns reach a customer once, so the few who were reached again are found by the index and then counted out.
_REPEATS = f"""
WITH repeated AS (
    SELECT customer_id FROM decisions WHERE campaign_id = $1 GROUP BY customer_id HAVING count(*) > 1
), ranked AS (
    SELECT {_KEYS}, row_number() OVER (PARTITION BY customer_id ORDER BY decided_at, decision_id) > 1 AS later,
           row_number() OVER (PARTITION BY customer_id, arm ORDER BY window_ends_at, decision_id) > 1 AS later_in_arm
    FROM decisions JOIN repeated USING (customer_id) WHERE campaign_id = $1 AND arm IN ('treated', 'held_out')
)
SELECT arm, reason, recallable, closed, count(*) FILTER (WHERE later) AS later,
       count(*) FILTER (WHERE later_in_arm) AS later_in_arm
FROM ranked GROUP BY 1, 2, 3, 4
"""

# $4 and $5 bound the time around all deliveries of the campaign, so that other orders are not looked at. $6 says
# whether anybody was delivered to again; without it every delivery is a first one, and none need be compared.
_ORDERS = f"""
WITH pairs AS MATERIALIZED (
    SELECT {_KEYS}, d.decision_id, d.customer_id, d.decided_at,
           greatest(d.decided_at, least(d.window_ends_at, $2)) AS seen_until,
           o.currency, o.amount - o.refunded_amount AS net, o.paid_at
    FROM decisions AS d JOIN orders AS o ON o.customer_id = d.customer_id AND o.paid_at < d.window_ends_at
         AND o.paid_at >= d.decided_at - (d.window_ends_at - d.decided_at)
    WHERE d.campaign_id = $1 AND d.arm IS NOT NULL AND o.counted
      AND o.paid_at >= $4 AND o.paid_at < $5
), ordered AS MATERIALIZED (
    SELECT DISTINCT arm, reason, recallable, closed, decision_id, customer_id, decided_at
    FROM pairs WHERE paid_at >= decided_at
), paid AS (
    SELECT customer_id, arm, recallable, currency, net, paid_at >= decided_at AS within,
           paid_at >= decided_at AND paid_at < seen_until AS after,
           paid_at < decided_at AND paid_at >= decided_at - (seen_until - decided_at) AS before
    FROM pairs AS p WHERE arm IN ('treated', 'held_out') AND NOT ($6 AND EXISTS (
        SELECT FROM decisions AS d WHERE d.campaign_id = $1 AND d.customer_id = p.customer_id
        AND d.arm IN ('treated', 'held_out') AND (d.decided_at, d.decision_id) < (p.decided_at, p.decision_id)))
), spent AS MATERIALIZED (
    SELECT arm, recallable, currency, customer_id, bool_or(within) AS ordered,
           coalesce(sum(net) FILTER (WHERE within), 0) AS revenue,
           count(*) FILTER (WHERE before) AS orders_before, sum(net) FILTER (WHERE before) AS amount_before,
           count(*) FILTER (WHERE after) AS orders_after, sum(net) FILTER (WHERE after) AS amount_after
    FROM paid GROUP BY 1, 2, 3, 4
)
SELECT (SELECT coalesce(jsonb_agg(g), '[]') FROM (
            SELECT arm, reason, recallable, closed, count(*) AS n FROM ordered GROUP BY 1, 2, 3, 4) AS g) AS ordered,
       (SELECT coalesce(jsonb_agg(g), '[]') FROM (
            SELECT arm, recallable, count(DISTINCT customer_id) AS n
            FROM spent WHERE ordered GROUP BY 1, 2) AS g) AS firsts,
       (SELECT coalesce(jsonb_agg(g), '[]') FROM (
            SELECT arm, recallable, currency,
                   sum(orders_before) AS orders_before, coalesce(sum(amount_before), 0) AS amount_before,
                   count(*) FILTER (WHERE orders_before > 0) AS buyers_before,
                   coalesce(sum(amount_before / nullif(orders_before, 0)), 0) AS averages_before,
                   sum(orders_after) AS orders_after, coalesce(sum(amount_after), 0) AS amount_after,
                   count(*) FILTER (WHERE orders_after > 0) AS buyers_after,
                   coalesce(sum(amount_after / nullif(orders_after, 0)), 0) AS averages_after,
                   sum(revenue) AS revenue, sum(revenue * revenue) AS revenue_squares
            FROM spent GROUP BY 1, 2, 3) AS g) AS spending,
       (SELECT count(DISTINCT customer_id) FROM ordered WHERE arm = 'treated' AND NOT EXISTS (
            SELECT FROM orders AS o WHERE o.customer_id = ordered.customer_id AND o.counted
            AND o.paid_at < ordered.decided_at)) AS new_buyers
"""

_VISITS = """
WITH visited AS (
    SELECT customer_id, bool_or(window_ends_at <= $2) AS closed, bool_or(NOT EXISTS (
        SELECT FROM visits AS v WHERE v.customer_id = d.customer_id AND v.visited_at < d.decided_at)) AS new
    FROM decisions AS d WHERE campaign_id = $1 AND arm = 'treated' AND EXISTS (
        SELECT FROM visits AS v WHERE v.customer_id = d.customer_id AND v.visited_at >= d.decided_at
        AND v.visited_at < d.window_ends_at AND v.visited_at >= $3 AND v.visited_at < $4)
    GROUP BY 1
)
SELECT count(*) AS visited, count(*) FILTER (WHERE closed) AS closed, count(*) FILTER (WHERE new) AS new FROM visited
"""


async def get_deliveries(session: ReadSession, campaign_id: str, clock: datetime) -> Deliveries:
    """A campaign's decisions as of the clock, with what their customers did."""
    await plan_for_many(session, by_index=True)
    scope = (campaign_id, clock, list(RECALLABLE))
    counts = await fetch(session, _COUNTS, *scope)
    if not counts:
        return Deliveries([], {}, [], 0, None)
    before_at, first_at, last_at = (
        min(row["before_at"] for row in counts),
        min(row["first_at"] for row in counts),
        max(row["last_at"] for row in counts),
    )
    repeats = {tuple(row)[:4]: row for row in await fetch(session, _REPEATS, *scope)}
    found = await fetch_one(session, _ORDERS, *scope, before_at, last_at, bool(repeats))
    ordered = {_key(row): row["n"] for row in found["ordered"]}
    return Deliveries(
        [_group(row, ordered.get(tuple(row)[:4], 0), repeats.get(tuple(row)[:4])) for row in counts],
        {(row["arm"], row["recallable"]): row["n"] for row in found["firsts"]},
        [Spending(**row) for row in found["spending"]],
        found["new_buyers"],
        await _get_reach(session, campaign_id, clock, first_at, last_at),
    )


def _key(row: Any) -> tuple[Any, ...]:
    return (row["arm"], row["reason"], row["recallable"], row["closed"])


def _group(row: Any, ordered: int, repeats: Any) -> Group:
    later, later_in_arm = (repeats["later"], repeats["later_in_arm"]) if repeats else (0, 0)
    return Group(
        row["arm"], row["reason"], row["recallable"], row["closed"], row["decisions"], ordered, later, later_in_arm
    )


async def _get_reach(
    session: ReadSession, campaign_id: str, clock: datetime, first_at: datetime, last_at: datetime
) -> Reach | None:
    if not await fetch_value(session, "SELECT EXISTS (SELECT FROM visits)"):
        return None
    return Reach(**dict(await fetch_one(session, _VISITS, campaign_id, clock, first_at, last_at)))
