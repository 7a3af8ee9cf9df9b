"""Customers and their orders."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query

from services.profile import repository
from services.profile.errors import CustomerNotFound
from services.profile.schemas.customers import CustomerAnswer, OrderAnswer
from shared.http.door import CallerOf, SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("customers")


@router.get("/customers", **access("profiles:read"))
async def list_customers(
    session: SessionOf,
    source_id: Annotated[str | None, Query(max_length=256, description="the shop's own id")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CustomerAnswer]:
    """All customers, or those whom a shop knows by `source_id`."""
    after = decode_cursor(cursor, str)
    rows = await repository.list_customers(session, source_id, after[0] if after else None, limit + 1)
    spend = await repository.get_spend(session, [row["customer_id"] for row in rows])
    return Page[CustomerAnswer].of(
        rows,
        limit,
        key=lambda row: [row["customer_id"]],
        item=lambda row: CustomerAnswer.of(row, spend.get(row["customer_id"], [])),
    )


@router.get("/customers/{customer_id}", **access("profiles:read", CustomerNotFound))
async def get_customer(session: SessionOf, customer_id: str) -> CustomerAnswer:
    row = await repository.get_customer(session, customer_id)
    spend = await repository.get_spend(session, [customer_id])
    return CustomerAnswer.of(row, spend.get(customer_id, []))


@router.get("/customers/{customer_id}/orders", **access("profiles:read", CustomerNotFound, shop_keys=True))
async def list_orders(
    session: SessionOf, caller: CallerOf, customer_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[OrderAnswer]:
    """A customer's orders, the earliest first; a key that is bound to a shop sees that shop's."""
    await repository.get_customer(session, customer_id)
    after = decode_cursor(cursor, datetime, str)
    place = (after[0], after[1]) if after else None
    rows = await repository.list_orders(session, customer_id, caller.shop_id, place, limit + 1)
    return Page[OrderAnswer].of(
        rows, limit, key=lambda row: [row["sorted_at"].isoformat(), row["order_key"]], item=_order
    )


def _order(row: Any) -> OrderAnswer:
    order = repository.order_of(row)
    return OrderAnswer(
        shop_id=order.shop_id,
        order_id=order.order_id,
        customer_id=order.customer_id,
        currency=order.currency,
        total=order.total,
        refunded_amount=order.refunded,
        counted=order.counted,
        paid_at=order.paid_at,
        cancelled_at=order.cancelled_at,
        coupons=list(order.coupons),
        channel=order.channel,
    )
