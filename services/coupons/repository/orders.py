"""Paid orders that name codes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database import ReadSession, Session, execute, fetch


@dataclass(frozen=True, slots=True)
class PaidOrder:
    order_key: str
    version: int
    customer_id: str
    shop_id: str
    order_id: str
    amount: int
    currency: str
    paid_at: datetime | None
    codes: list[str]
    counted: bool


async def find_known_orders(session: ReadSession, order_keys: Sequence[str]) -> set[str]:
    """Those of the orders that have named a code before."""
    rows = await fetch(session, "SELECT order_key FROM known_orders WHERE order_key = ANY($1)", order_keys)
    return {row["order_key"] for row in rows}


async def upsert_orders(session: Session, orders: Sequence[PaidOrder]) -> None:
    """The highest version of each is known, and marked if it says something new, counts and names a code."""
    rows = sorted(orders, key=lambda order: order.order_key)
    await execute(
        session,
        """INSERT INTO known_orders AS k (order_key, version, customer_id, shop_id, order_id, amount, currency, paid_at,
                  codes, counted, marked)
           SELECT order_key, version, customer_id, shop_id, order_id, amount, currency, paid_at,
                  string_to_array(codes, chr(31)), counted, counted AND codes <> ''
           FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[],
                       $8::timestamptz[], $9::text[], $10::bool[])
                AS n(order_key, version, customer_id, shop_id, order_id, amount, currency, paid_at, codes, counted)
           ON CONFLICT (order_key) DO UPDATE SET version = excluded.version, customer_id = excluded.customer_id,
                  amount = excluded.amount, currency = excluded.currency, paid_at = excluded.paid_at,
                  codes = excluded.codes, counted = excluded.counted,
                  marked = CASE WHEN (k.customer_id, k.amount, k.currency, k.paid_at, k.codes, k.counted)
                                IS NOT DISTINCT FROM (excluded.customer_id, excluded.amount, excluded.currency,
                                                      excluded.paid_at, excluded.codes, excluded.counted)
                           THEN k.marked ELSE excluded.marked END
           WHERE excluded.version > k.version""",
        [order.order_key for order in rows],
        [order.version for order in rows],
        [order.customer_id for order in rows],
        [order.shop_id for order in rows],
        [order.order_id for order in rows],
        [order.amount for order in rows],
        [order.currency for order in rows],
        [order.paid_at for order in rows],
        # unnest flattens arrays of arrays, so a row's codes travel as one text.
        ["\x1f".join(order.codes) for order in rows],
        [order.counted for order in rows],
    )


async def take_marked(session: Session, limit: int) -> list[PaidOrder]:
    """The marked orders that were paid first; their marks are gone."""
    rows = await fetch(
        session,
        """WITH first AS (SELECT order_key FROM known_orders WHERE marked ORDER BY paid_at, order_key LIMIT $1),
                locked AS (
                    SELECT k.order_key FROM known_orders AS k JOIN first USING (order_key)
                    ORDER BY k.order_key FOR UPDATE OF k),
                taken AS (
                    UPDATE known_orders AS k SET marked = false FROM locked
                    WHERE k.order_key = locked.order_key AND k.marked RETURNING k.*)
           SELECT order_key, version, customer_id, shop_id, order_id, amount, currency, paid_at, codes, counted
           FROM taken ORDER BY paid_at, order_key""",
        limit,
    )
    return [PaidOrder(**dict(row)) for row in rows]


async def mark_orders(session: Session, codes: list[str]) -> None:
    """Marks the orders that named one of these codes before its coupon was issued."""
    await execute(session, "UPDATE known_orders SET marked = true WHERE counted AND codes && $1::text[]", codes)


async def refuse_codes(session: Session, refusals: Mapping[str, Mapping[str, str]]) -> None:
    """By order and code: the rule that forbade the use."""
    await execute(
        session,
        """UPDATE known_orders AS k SET refusals = n.refusals::jsonb
           FROM unnest($1::text[], $2::text[]) AS n(order_key, refusals) WHERE k.order_key = n.order_key""",
        list(refusals),
        [json.dumps(dict(each)) for each in refusals.values()],
    )
