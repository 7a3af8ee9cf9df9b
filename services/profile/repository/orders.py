"""Orders and their refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.profile.domain import Order
from shared.database import ReadSession, Session, as_array, as_columns, execute, fetch, unnest
from shared.inserting import Insert


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
_TYPES = """text text text text bigint timestamptz text bigint text text text timestamptz timestamptz int bigint bool
            bool"""
# unnest flattens arrays of arrays, so an order's coupons travel as one text.
_ROWS = f"""SELECT order_key, shop_id, order_id, customer_id, version, told_at, told_by, total, currency,
                   coalesce(coupons, '{{}}')::text[] AS coupons, channel, paid_at, cancelled_at, refunds, refund_total,
                   refunds_all, counted
            FROM {unnest(_TYPES)} AS o(order_key, shop_id, order_id, {_COLUMNS})"""
_PLAIN = f"INSERT INTO orders (order_key, shop_id, order_id, {_COLUMNS}) {_ROWS}"
_INSERT = Insert(plain=_PLAIN, careful=f"{_PLAIN} ON CONFLICT DO NOTHING RETURNING order_key")
_SET = ", ".join(f"{name.strip()} = o.{name.strip()}" for name in _COLUMNS.split(","))
_UPDATE_ORDERS = f"""UPDATE orders SET {_SET} FROM ({_ROWS}) AS o WHERE orders.order_key = o.order_key"""


def _columns(orders: Sequence[Order]) -> list[str | None]:
    return as_columns(map(_row, orders))


def _row(order: Order) -> tuple[Any, ...]:
    return (
        order.order_key,
        order.shop_id,
        order.order_id,
        order.customer_id,
        order.version,
        order.told_at,
        order.told_by,
        order.total,
        order.currency,
        as_array(order.coupons) if order.coupons else None,
        order.channel,
        order.paid_at,
        order.cancelled_at,
        order.refunds,
        order.refund_total,
        order.refunds_all,
        order.counted,
    )


async def add_orders(session: Session, orders: Sequence[Order]) -> list[Order]:
    """Inserts orders, sorted by key, that nobody knows yet, and returns those."""
    added = await _INSERT.run(session, len(orders), *_columns(orders))
    if added is None:
        return list(orders)
    new = {row["order_key"] for row in added}
    return [order for order in orders if order.order_key in new]


async def update_orders(session: Session, orders: Sequence[Order]) -> None:
    await execute(session, _UPDATE_ORDERS, *_columns(orders))


async def add_refunds(session: Session, refunds: Sequence[Refund]) -> None:
    """Inserts the refunds that are new; a refund told twice is one."""
    rows = sorted(refunds, key=lambda refund: (refund.order_key, refund.refund_id))
    await execute(
        session,
        f"""INSERT INTO refunds (order_key, refund_id, amount, refunded_at)
           SELECT * FROM {unnest("text text bigint timestamptz")} ON CONFLICT DO NOTHING""",
        *as_columns((refund.order_key, refund.refund_id, refund.amount, refund.refunded_at) for refund in rows),
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


# Sorted by key and locked before anything is written, as batches lock them.
_RENEW_ORDERS = """
WITH locked AS MATERIALIZED (
    SELECT order_key FROM orders
    WHERE customer_id = ANY($1) AND paid_at IS NOT NULL AND total IS NOT NULL AND currency IS NOT NULL
    ORDER BY order_key FOR UPDATE
)
UPDATE orders AS o SET version = greatest(o.version + 1, $2) FROM locked WHERE o.order_key = locked.order_key
RETURNING o.*
"""


async def renew_orders(session: Session, customer_ids: list[str], version: int) -> list[Order]:
    """The paid orders of these customers, each under a new version."""
    rows = await fetch(session, _RENEW_ORDERS, customer_ids, version)
    return sorted(map(order_of, rows), key=lambda order: order.order_key)
