"""What targeting decided, and how it was answered."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter

from services.coupons.domain import Answer, Customer, Decision, Outcome
from shared.database import ReadSession, Session, as_columns, execute, fetch, unnest

_COLUMNS = {
    "decision_id": "text",
    "campaign_id": "text",
    "customer_id": "text",
    "arm": "text",
    "caused_at": "timestamptz",
    "decided_at": "timestamptz",
    "priority": "int",
    "template_id": "text",
    "channel": "text",
    "anti_harassment": "bool",
    "limit_per_customer": "bigint",
}
# Whole customers: a customer's decisions are ranked and answered together, wherever a chunk ends.
_WAITING = f"""
WITH first AS (SELECT customer_id FROM known_decisions WHERE outcome IS NULL ORDER BY customer_id LIMIT $1)
SELECT {", ".join(_COLUMNS)}
FROM known_decisions WHERE outcome IS NULL AND customer_id <= (SELECT max(customer_id) FROM first)
"""


async def add_decisions(session: Session, decisions: Sequence[Decision]) -> None:
    """Inserts the decisions that are new: a decision told twice is one."""
    rows = sorted(decisions, key=lambda decision: decision.decision_id)
    await execute(
        session,
        f"""INSERT INTO known_decisions ({", ".join(_COLUMNS)})
           SELECT * FROM {unnest(" ".join(_COLUMNS.values()))} ON CONFLICT DO NOTHING""",
        *as_columns(map(attrgetter(*_COLUMNS), rows)),
    )


async def list_waiting(session: ReadSession, limit: int) -> list[Decision]:
    """About `limit` decisions without an answer: all those of the first customers."""
    return [Decision(**dict(row)) for row in await fetch(session, _WAITING, limit)]


async def answer_decisions(session: Session, answers: Sequence[Answer], at: datetime) -> None:
    await execute(
        session,
        """UPDATE known_decisions AS d SET outcome = a.outcome, code = a.code, kind = a.kind, answered_at = $1
           FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS a(decision_id, outcome, code, kind)
           WHERE d.decision_id = a.decision_id""",
        at,
        [answer.decision.decision_id for answer in answers],
        [answer.outcome for answer in answers],
        [answer.code for answer in answers],
        [answer.stock.definition.kind if answer.stock else None for answer in answers],
    )


async def get_customers(
    session: ReadSession, customer_ids: list[str], at: datetime, since: datetime
) -> dict[str, Customer]:
    """What each holds at this instant, and has received; by kind only what came later than `since`."""
    customers = {customer_id: Customer() for customer_id in customer_ids}
    for row in await fetch(
        session,
        """SELECT customer_id, campaign_id, kind, outcome, count(*) AS deliveries, max(answered_at) > $2 AS recent
           FROM known_decisions WHERE customer_id = ANY($1) AND outcome IN ('issued', 'withheld')
           GROUP BY customer_id, campaign_id, kind, outcome""",
        customer_ids,
        since,
    ):
        customer = customers[row["customer_id"]]
        before = customer.deliveries.get(row["campaign_id"], 0)
        customer.deliveries[row["campaign_id"]] = before + row["deliveries"]
        if row["recent"] and row["outcome"] == Outcome.ISSUED:
            customer.kinds.add(row["kind"])
        elif row["recent"]:
            customer.withheld.add((row["campaign_id"], row["kind"]))
    for row in await fetch(
        session,
        """SELECT customer_id, count(*) AS possessed FROM coupons
           WHERE customer_id = ANY($1) AND used = 0 AND valid_from <= $2 AND $2 < valid_until GROUP BY customer_id""",
        customer_ids,
        at,
    ):
        customers[row["customer_id"]].possessed = row["possessed"]
    return customers
