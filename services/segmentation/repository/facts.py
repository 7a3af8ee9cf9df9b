"""What profile told, and the marks of whom it concerned."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from services.segmentation.errors import CustomerNotFound
from shared.database import ReadSession, Session, as_columns, execute, fetch_one, unnest
from shared.inserting import Insert


class Customer(NamedTuple):
    """`spend` is JSON, `{"USD": {"orders": 3, "paid_amount": 4500}}`; None is that of a customer without any."""

    customer_id: str
    version: int
    platform: str
    source_id: str | None
    is_member: bool
    orders: int
    spend: str | None
    first_order_at: datetime | None
    last_order_at: datetime | None
    first_visit_at: datetime | None
    last_visit_at: datetime | None
    visits: int


class Order(NamedTuple):
    order_key: str
    version: int
    customer_id: str
    paid_at: datetime | None
    counted: bool


# Those of whom there is nothing more to say than that they were touched, most of them, have a row of their own.
_MARK = """
INSERT INTO marks (customer_ids, changes_from, untimed)
SELECT array_agg(customer_id), array_agg(changes_from), array_agg(untimed) FROM sides
GROUP BY changes_from IS NULL AND NOT untimed
"""

_CUSTOMER = """text bigint text text bool bigint jsonb timestamptz timestamptz timestamptz timestamptz bigint"""
_UPSERT_CUSTOMERS = f"""
WITH changed AS (
    INSERT INTO customers AS c (customer_id, version, platform, source_id, is_member, orders, spend, first_order_at,
           last_order_at, first_visit_at, last_visit_at, visits)
    SELECT customer_id, version, platform, source_id, is_member, orders, coalesce(spend, '{{}}'), first_order_at,
           last_order_at, first_visit_at, last_visit_at, visits
    FROM {unnest(_CUSTOMER)} AS n(customer_id, version, platform, source_id, is_member, orders, spend, first_order_at,
                                  last_order_at, first_visit_at, last_visit_at, visits)
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

_ORDERS = f"""
    INSERT INTO known_orders AS o (order_key, version, customer_id, paid_at, counted)
    SELECT * FROM {unnest("text bigint text timestamptz bool")}"""
_WHEN_NEWER = """
    ON CONFLICT (order_key) DO UPDATE SET version = excluded.version, customer_id = excluded.customer_id,
           paid_at = excluded.paid_at, counted = excluded.counted
    WHERE excluded.version > o.version"""
_MARK_THEIR_CUSTOMERS = f"""
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
_INSERT_ORDERS = Insert(
    plain=f"WITH changed AS ({_ORDERS}{_MARK_THEIR_CUSTOMERS}",
    careful=f"WITH changed AS ({_ORDERS}{_WHEN_NEWER}{_MARK_THEIR_CUSTOMERS}",
)


async def upsert_customers(session: Session, customers: Sequence[Customer]) -> None:
    """Customers' facts, where these are newer than the known ones; those are marked. One row each, sorted by id."""
    await execute(session, _UPSERT_CUSTOMERS, *as_columns(customers))


async def upsert_orders(session: Session, orders: Sequence[Order], *, untimed: bool) -> None:
    """Orders, where these are newer than the known ones; whose they are, and whose they were, are marked."""
    await _INSERT_ORDERS.run(session, len(orders), *as_columns(orders), untimed)


async def get_customer(session: ReadSession, customer_id: str) -> Any:
    """A customer's row; raises CustomerNotFound."""
    row = await fetch_one(session, "SELECT * FROM customers WHERE customer_id = $1", customer_id)
    if row is None:
        raise CustomerNotFound(f"there is no customer {customer_id}")
    return row
