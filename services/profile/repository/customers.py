"""Customers and what they spent."""

from typing import Any

from services.profile.domain import SOURCE_ID, Change
from services.profile.errors import CustomerNotFound
from shared.database import ReadSession, Session, as_columns, execute, fetch, fetch_one, unnest

_COLUMNS = """customer_id, platform, source_id, anonymous_id, member, member_at, member_by, orders, visits,
              first_order_at, last_order_at, first_visit_at, last_visit_at"""
# All facts of a customer that are told, in the order in which `profile.updated` is made of them.
_TOLD = """c.customer_id, c.version, c.platform, c.source_id, c.anonymous_id, c.member, c.orders, c.visits,
           c.first_order_at, c.last_order_at, c.first_visit_at, c.last_visit_at"""
_TYPES = """text text text text bool timestamptz text bigint bigint timestamptz timestamptz timestamptz timestamptz"""
_NEWER = """excluded.member IS NOT NULL AND
            (c.member_at IS NULL OR (excluded.member_at, excluded.member_by) > (c.member_at, c.member_by))"""
_UPSERT = f"""
INSERT INTO customers AS c ({_COLUMNS}, version)
SELECT *, $14::bigint FROM {unnest(_TYPES)}
ON CONFLICT (customer_id) DO UPDATE SET
       version = greatest(c.version + 1, excluded.version),
       member = CASE WHEN {_NEWER} THEN excluded.member ELSE c.member END,
       member_by = CASE WHEN {_NEWER} THEN excluded.member_by ELSE c.member_by END,
       member_at = greatest(c.member_at, excluded.member_at),
       orders = c.orders + excluded.orders, visits = c.visits + excluded.visits,
       first_order_at = least(c.first_order_at, excluded.first_order_at),
       last_order_at = greatest(c.last_order_at, excluded.last_order_at),
       first_visit_at = least(c.first_visit_at, excluded.first_visit_at),
       last_visit_at = greatest(c.last_visit_at, excluded.last_visit_at)
RETURNING {_TOLD}
"""


async def upsert_customers(session: Session, changes: dict[str, Change], version: int) -> list[Any]:
    """Adds what a batch changed to the customers' facts; all facts of those customers as they are now."""
    rows = as_columns(_row(customer_id, change) for customer_id, change in sorted(changes.items()))
    return await fetch(session, _UPSERT, *rows, version)


def _row(customer_id: str, change: Change) -> tuple[Any, ...]:
    platform, kind, identifier = change.identity or ("", SOURCE_ID, None)
    named = kind == SOURCE_ID
    return (
        customer_id,
        platform,
        identifier if named else None,
        None if named else identifier,
        change.member,
        change.member_at,
        change.member_by,
        change.orders,
        change.visits,
        change.first_order_at,
        change.last_order_at,
        change.first_visit_at,
        change.last_visit_at,
    )


async def recount_customers(session: Session, customer_ids: list[str]) -> list[Any]:
    """Looks the first and last order up again: after an order went away they cannot be added to."""
    return await fetch(
        session,
        f"""UPDATE customers AS c SET first_order_at = o.first_at, last_order_at = o.last_at
           FROM unnest($1::text[]) AS wanted(customer_id) LEFT JOIN LATERAL
                (SELECT min(paid_at) AS first_at, max(paid_at) AS last_at FROM orders
                 WHERE orders.customer_id = wanted.customer_id AND counted) AS o ON true
           WHERE c.customer_id = wanted.customer_id RETURNING {_TOLD}""",
        sorted(customer_ids),
    )


async def upsert_spend(session: Session, changes: dict[str, Change]) -> None:
    """Adds what a batch changed to the customers' counted orders and paid amounts, by currency."""
    rows = [
        (customer_id, currency, *amounts)
        for customer_id, spend in sorted((key, change.spend) for key, change in changes.items() if change.spend)
        for currency, amounts in sorted(spend.items())
    ]
    if not rows:
        return
    await execute(
        session,
        f"""INSERT INTO customer_spend AS s (customer_id, currency, orders, paid_amount)
           SELECT * FROM {unnest("text text bigint bigint")}
           ON CONFLICT (customer_id, currency) DO UPDATE
           SET orders = s.orders + excluded.orders, paid_amount = s.paid_amount + excluded.paid_amount""",
        *as_columns(rows),
    )


async def get_spend(session: ReadSession, customer_ids: list[str]) -> dict[str, list[Any]]:
    """By customer: one row for each currency."""
    found: dict[str, list[Any]] = {}
    for row in await fetch(
        session,
        """SELECT customer_id, currency, orders, paid_amount FROM customer_spend
           WHERE customer_id = ANY($1) AND orders > 0 ORDER BY customer_id, currency""",
        customer_ids,
    ):
        found.setdefault(row["customer_id"], []).append(row)
    return found


async def get_customer(session: ReadSession, customer_id: str) -> Any:
    """A customer's row; raises CustomerNotFound."""
    row = await fetch_one(session, "SELECT * FROM customers WHERE customer_id = $1", customer_id)
    if row is None:
        raise CustomerNotFound(f"there is no customer {customer_id}")
    return row


async def list_customers(session: ReadSession, source_id: str | None, after: str | None, limit: int) -> list[Any]:
    return await fetch(
        session,
        """SELECT * FROM customers WHERE ($1::text IS NULL OR source_id = $1) AND ($2::text IS NULL OR customer_id > $2)
           ORDER BY customer_id LIMIT $3""",
        source_id,
        after,
        limit,
    )


async def list_next_customers(session: ReadSession, after: str, limit: int) -> list[str]:
    """The customers after this one, as many as have about `limit` counted orders together; one at least."""
    rows = await fetch(
        session,
        """SELECT customer_id FROM (
               SELECT customer_id, sum(1 + orders) OVER (ORDER BY customer_id) - orders AS place FROM (
                   SELECT customer_id, orders FROM customers WHERE customer_id > $1 ORDER BY customer_id LIMIT $2
               ) AS next) AS placed
           WHERE place <= $2 ORDER BY customer_id""",
        after,
        limit,
    )
    return [row["customer_id"] for row in rows]


async def renew_customers(session: Session, customer_ids: list[str], version: int) -> list[Any]:
    """All facts of these customers, each under a new version."""
    rows = await fetch(
        session,
        f"""WITH locked AS MATERIALIZED (
               SELECT customer_id FROM customers WHERE customer_id = ANY($1) ORDER BY customer_id FOR UPDATE)
           UPDATE customers AS c SET version = greatest(c.version + 1, $2)
           FROM locked WHERE c.customer_id = locked.customer_id RETURNING {_TOLD}""",
        customer_ids,
        version,
    )
    return sorted(rows, key=lambda row: row["customer_id"])
