"""Profile's SQL. Set-based: a batch is a handful of statements, sorted by key so that two workers never deadlock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.profile.domain import SOURCE_ID, Change, Order
from services.profile.errors import CustomerNotFound
from shared.database import ReadSession, Session, as_rows, execute, fetch, fetch_one


@dataclass(frozen=True, slots=True)
class Visit:
    visit_id: str
    customer_id: str
    shop_id: str
    visited_at: datetime


@dataclass(frozen=True, slots=True)
class Refund:
    order_key: str
    refund_id: str
    amount: int | None
    refunded_at: datetime


async def lock_orders(session: Session, order_keys: list[str]) -> dict[str, Order]:
    """Those of the orders that are known, locked in the order of their keys."""
    found = await fetch(
        session, "SELECT * FROM orders WHERE order_key = ANY($1) ORDER BY order_key FOR UPDATE", order_keys
    )
    return {row["order_key"]: order_of(row) for row in found}


def order_of(row: Any) -> Order:
    return Order(
        order_key=row["order_key"],
        shop_id=row["shop_id"],
        order_id=row["order_id"],
        customer_id=row["customer_id"],
        version=row["version"],
        told_at=row["told_at"],
        told_by=row["told_by"],
        total=row["total"],
        currency=row["currency"],
        coupons=tuple(row["coupons"]),
        channel=row["channel"],
        paid_at=row["paid_at"],
        cancelled_at=row["cancelled_at"],
        refunds=row["refunds"],
        refund_total=row["refund_total"],
        refunds_all=row["refunds_all"],
    )


_COLUMNS = """customer_id, version, told_at, told_by, total, currency, coupons, channel, paid_at, cancelled_at, refunds,
              refund_total, refunds_all, counted"""
_ROWS = """SELECT * FROM ROWS FROM (
               jsonb_to_recordset($1::text::jsonb)
                   AS (order_key text, shop_id text, order_id text, customer_id text, version bigint,
                       told_at timestamptz, told_by text, total bigint, currency text, coupons text[], channel text,
                       paid_at timestamptz, cancelled_at timestamptz, refunds int, refund_total bigint,
                       refunds_all bool),
               unnest($2::bool[]))
           AS o(order_key, shop_id, order_id, customer_id, version, told_at, told_by, total, currency, coupons, channel,
                paid_at, cancelled_at, refunds, refund_total, refunds_all, counted)"""
_ADD_ORDERS = f"""INSERT INTO orders (order_key, shop_id, order_id, {_COLUMNS}) {_ROWS}
                  ON CONFLICT DO NOTHING RETURNING order_key"""
_SET = ", ".join(f"{name.strip()} = o.{name.strip()}" for name in _COLUMNS.split(","))
_UPDATE_ORDERS = f"""UPDATE orders SET {_SET} FROM ({_ROWS}) AS o WHERE orders.order_key = o.order_key"""


def _rows(orders: Sequence[Order]) -> tuple[str, list[bool]]:
    return as_rows(orders), [order.counted for order in orders]


async def add_orders(session: Session, orders: Sequence[Order]) -> set[str]:
    """Inserts orders, sorted by key, that nobody knows yet; the keys of those that were inserted."""
    return {row["order_key"] for row in await fetch(session, _ADD_ORDERS, *_rows(orders))}


async def update_orders(session: Session, orders: Sequence[Order]) -> None:
    await execute(session, _UPDATE_ORDERS, *_rows(orders))


async def add_refunds(session: Session, refunds: Sequence[Refund]) -> None:
    """Inserts the refunds that are new; a refund told twice is one."""
    rows = sorted(refunds, key=lambda refund: (refund.order_key, refund.refund_id))
    await execute(
        session,
        """INSERT INTO refunds (order_key, refund_id, amount, refunded_at)
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) ON CONFLICT DO NOTHING""",
        [refund.order_key for refund in rows],
        [refund.refund_id for refund in rows],
        [refund.amount for refund in rows],
        [refund.refunded_at for refund in rows],
    )


async def get_refund_sums(session: ReadSession, order_keys: list[str]) -> dict[str, tuple[int, int, bool]]:
    """Of each order: how many refunds, their sum, and whether one gave back all that was left."""
    rows = await fetch(
        session,
        """SELECT order_key, count(*) AS refunds, least(coalesce(sum(amount), 0), 9007199254740991)::bigint AS total,
                  bool_or(amount IS NULL) AS rest
           FROM refunds WHERE order_key = ANY($1) GROUP BY order_key""",
        order_keys,
    )
    return {row["order_key"]: (row["refunds"], row["total"], row["rest"]) for row in rows}


async def add_visits(session: Session, visits: Sequence[Visit]) -> list[Visit]:
    """Inserts the visits that are new, and returns those."""
    rows = {visit.visit_id: visit for visit in sorted(visits, key=lambda visit: visit.visit_id)}
    added = await fetch(
        session,
        """INSERT INTO visits (visit_id, customer_id, shop_id, visited_at)
           SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
           ON CONFLICT DO NOTHING RETURNING visit_id""",
        list(rows),
        [visit.customer_id for visit in rows.values()],
        [visit.shop_id for visit in rows.values()],
        [visit.visited_at for visit in rows.values()],
    )
    return [rows[row["visit_id"]] for row in added]


async def upsert_customers(session: Session, changes: dict[str, Change], version: int) -> list[Any]:
    """Adds what a batch changed to the customers' facts; all facts of those customers as they are now."""
    return await fetch(
        session,
        """INSERT INTO customers AS c (customer_id, version, platform, source_id, anonymous_id, member, member_at,
                  member_by, orders, visits, first_order_at, last_order_at, first_visit_at, last_visit_at)
           SELECT customer_id, $2, platform, source_id, anonymous_id, member, member_at, member_by, orders, visits,
                  first_order_at, last_order_at, first_visit_at, last_visit_at
           FROM jsonb_to_recordset($1::text::jsonb)
                AS n(customer_id text, platform text, source_id text, anonymous_id text, member bool,
                     member_at timestamptz, member_by text, orders bigint, visits bigint, first_order_at timestamptz,
                     last_order_at timestamptz, first_visit_at timestamptz, last_visit_at timestamptz)
           ON CONFLICT (customer_id) DO UPDATE SET
                  version = greatest(c.version + 1, excluded.version),
                  member = CASE WHEN excluded.member IS NOT NULL AND (c.member_at IS NULL OR
                                (excluded.member_at, excluded.member_by) > (c.member_at, c.member_by))
                           THEN excluded.member ELSE c.member END,
                  member_by = CASE WHEN excluded.member IS NOT NULL AND (c.member_at IS NULL OR
                                (excluded.member_at, excluded.member_by) > (c.member_at, c.member_by))
                              THEN excluded.member_by ELSE c.member_by END,
                  member_at = greatest(c.member_at, excluded.member_at),
                  orders = c.orders + excluded.orders, visits = c.visits + excluded.visits,
                  first_order_at = least(c.first_order_at, excluded.first_order_at),
                  last_order_at = greatest(c.last_order_at, excluded.last_order_at),
                  first_visit_at = least(c.first_visit_at, excluded.first_visit_at),
                  last_visit_at = greatest(c.last_visit_at, excluded.last_visit_at)
           RETURNING c.*""",
        as_rows([_added(customer_id, change) for customer_id, change in sorted(changes.items())]),
        version,
    )


def _added(customer_id: str, change: Change) -> dict[str, Any]:
    identity = change.identity
    named = identity is not None and identity.kind == SOURCE_ID
    return {
        "customer_id": customer_id,
        "platform": identity.platform if identity else "",
        "source_id": identity.identifier if identity and named else None,
        "anonymous_id": identity.identifier if identity and not named else None,
        "member": change.member,
        "member_at": change.member_at,
        "member_by": change.member_by,
        "orders": change.orders,
        "visits": change.visits,
        "first_order_at": change.first_order_at,
        "last_order_at": change.last_order_at,
        "first_visit_at": change.first_visit_at,
        "last_visit_at": change.last_visit_at,
    }


async def recount_customers(session: Session, customer_ids: list[str]) -> list[Any]:
    """Looks the first and last order up again: after an order went away they cannot be added to."""
    return await fetch(
        session,
        """UPDATE customers AS c SET first_order_at = o.first_at, last_order_at = o.last_at
           FROM unnest($1::text[]) AS wanted(customer_id) LEFT JOIN LATERAL
                (SELECT min(paid_at) AS first_at, max(paid_at) AS last_at FROM orders
                 WHERE orders.customer_id = wanted.customer_id AND counted) AS o ON true
           WHERE c.customer_id = wanted.customer_id RETURNING c.*""",
        sorted(customer_ids),
    )


async def upsert_spend(session: Session, changes: dict[str, Change]) -> None:
    """Adds what a batch changed to the customers' counted orders and paid amounts, by currency."""
    rows = [
        (customer_id, currency, *amounts)
        for customer_id, change in sorted(changes.items())
        for currency, amounts in sorted(change.spend.items())
    ]
    if not rows:
        return
    await execute(
        session,
        """INSERT INTO customer_spend AS s (customer_id, currency, orders, paid_amount)
           SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
           ON CONFLICT (customer_id, currency) DO UPDATE
           SET orders = s.orders + excluded.orders, paid_amount = s.paid_amount + excluded.paid_amount""",
        *(list(column) for column in zip(*rows, strict=True)),
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


async def list_orders(
    session: ReadSession, customer_id: str, shop_id: str | None, after: tuple[datetime, str] | None, limit: int
) -> list[Any]:
    """A customer's orders, the earliest told first; of one shop when a shop asks."""
    told_at, order_key = after or (None, None)
    return await fetch(
        session,
        """SELECT * FROM (SELECT *, coalesce(paid_at, told_at, cancelled_at, '0001-01-02Z') AS sorted_at FROM orders
                         WHERE customer_id = $1 AND ($2::text IS NULL OR shop_id = $2)) AS found
           WHERE $3::timestamptz IS NULL OR (sorted_at, order_key) > ($3, $4)
           ORDER BY sorted_at, order_key LIMIT $5""",
        customer_id,
        shop_id,
        told_at,
        order_key,
        limit,
    )
