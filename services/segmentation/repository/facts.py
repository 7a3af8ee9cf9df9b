"""What profile told, and the marks of whom it concerned."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.segmentation.errors import CustomerNotFound
from shared.database import ReadSession, Session, execute, fetch, fetch_one


@dataclass(frozen=True, slots=True)
class Customer:
    customer_id: str
    version: int
    platform: str
    source_id: str | None
    is_member: bool
    orders: int
    spend: str
    first_order_at: datetime | None
    last_order_at: datetime | None
    first_visit_at: datetime | None
    last_visit_at: datetime | None
    visits: int


@dataclass(frozen=True, slots=True)
class Order:
    order_key: str
    version: int
    customer_id: str
    paid_at: datetime | None
    counted: bool


# A mark only ever widens until a tick takes it.
_MARK = """
INSERT INTO touched AS t (customer_id, changes_from, untimed)
SELECT customer_id, min(changes_from), bool_or(untimed) FROM sides GROUP BY customer_id ORDER BY customer_id
ON CONFLICT (customer_id) DO UPDATE SET changes_from = least(t.changes_from, excluded.changes_from),
       untimed = t.untimed OR excluded.untimed
"""

_UPSERT_CUSTOMERS = f"""
WITH changed AS (
    INSERT INTO customers AS c (customer_id, version, platform, source_id, is_member, orders, spend, first_order_at,
           last_order_at, first_visit_at, last_visit_at, visits)
    SELECT customer_id, version, platform, source_id, is_member, orders, spend::jsonb, first_order_at, last_order_at,
           first_visit_at, last_visit_at, visits
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bool[], $6::bigint[], $7::text[],
                $8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::bigint[])
         AS n(customer_id, version, platform, source_id, is_member, orders, spend, first_order_at, last_order_at,
              first_visit_at, last_visit_at, visits)
    ON CONFLICT (customer_id) DO UPDATE SET version = excluded.version, platform = excluded.platform,
           source_id = excluded.source_id, is_member = excluded.is_member, orders = excluded.orders,
           spend = excluded.spend, first_order_at = excluded.first_order_at, last_order_at = excluded.last_order_at,
           first_visit_at = excluded.first_visit_at, last_visit_at = excluded.last_visit_at, visits = excluded.visits
    WHERE excluded.version > c.version
    RETURNING old.first_visit_at AS was_first_visit_at, old.is_member AS was_member, new.customer_id,
              new.first_visit_at, new.is_member
), sides AS (
    SELECT customer_id, coalesce(is_member <> was_member, false) AS untimed,
           CASE WHEN first_visit_at IS DISTINCT FROM was_first_visit_at
                THEN least(first_visit_at, was_first_visit_at) END AS changes_from
    FROM changed
) {_MARK}"""

_UPSERT_ORDERS = f"""
WITH changed AS (
    INSERT INTO known_orders AS o (order_key, version, customer_id, paid_at, counted)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bool[])
    ON CONFLICT (order_key) DO UPDATE SET version = excluded.version, customer_id = excluded.customer_id,
           paid_at = excluded.paid_at, counted = excluded.counted
    WHERE excluded.version > o.version
    RETURNING old.customer_id AS was_customer_id, old.paid_at AS was_paid_at, old.counted AS was_counted,
              new.customer_id, new.paid_at, new.counted,
              (old.customer_id, old.paid_at, old.counted) IS DISTINCT FROM
              (new.customer_id, new.paid_at, new.counted) AS differs
), sides AS (
    SELECT customer_id, $6::bool AS untimed, CASE WHEN differs AND counted THEN paid_at END AS changes_from FROM changed
    UNION ALL
    SELECT was_customer_id, $6, CASE WHEN differs AND was_counted THEN was_paid_at END FROM changed
    WHERE was_customer_id IS NOT NULL
) {_MARK}"""

# Limits on each source alone, so that a chunk costs what it does and not what is left.
_PENDING = """
(SELECT customer_id FROM touched ORDER BY customer_id LIMIT $2)
UNION (SELECT customer_id FROM lifecycle_states WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
UNION (SELECT customer_id FROM memberships_due WHERE due_at <= $1 ORDER BY due_at, customer_id LIMIT $2)
"""


async def upsert_customers(session: Session, customers: Sequence[Customer]) -> None:
    """Customers' facts, where these are newer than the known ones; those are marked. One row each, sorted by id."""
    await execute(
        session,
        _UPSERT_CUSTOMERS,
        [row.customer_id for row in customers],
        [row.version for row in customers],
        [row.platform for row in customers],
        [row.source_id for row in customers],
        [row.is_member for row in customers],
        [row.orders for row in customers],
        [row.spend for row in customers],
        [row.first_order_at for row in customers],
        [row.last_order_at for row in customers],
        [row.first_visit_at for row in customers],
        [row.last_visit_at for row in customers],
        [row.visits for row in customers],
    )


async def upsert_orders(session: Session, orders: Sequence[Order], *, untimed: bool) -> None:
    """Orders, where these are newer than the known ones; whose they are, and whose they were, are marked."""
    await execute(
        session,
        _UPSERT_ORDERS,
        [row.order_key for row in orders],
        [row.version for row in orders],
        [row.customer_id for row in orders],
        [row.paid_at for row in orders],
        [row.counted for row in orders],
        untimed,
    )


async def list_pending(session: ReadSession, at: datetime, limit: int) -> list[str]:
    """Customers whose facts changed, or for whom something is due by `at`: fewer than `limit` if these are all."""
    return [row["customer_id"] for row in await fetch(session, _PENDING, at, limit)]


async def delete_marks(session: Session, customer_ids: list[str]) -> dict[str, Any]:
    """Takes the marks of these customers away; by customer `changes_from` and `untimed`."""
    rows = await fetch(session, "DELETE FROM touched WHERE customer_id = ANY($1) RETURNING *", customer_ids)
    return {row["customer_id"]: row for row in rows}


async def get_customer(session: ReadSession, customer_id: str) -> Any:
    """A customer's row; raises CustomerNotFound."""
    row = await fetch_one(session, "SELECT * FROM customers WHERE customer_id = $1", customer_id)
    if row is None:
        raise CustomerNotFound(f"there is no customer {customer_id}")
    return row
