"""Facts as profile tells them; they decide nothing, they mark whom the next tick has to look at."""

from collections.abc import Sequence
from datetime import datetime

from services.segmentation import repository
from services.segmentation.domain import finite
from services.segmentation.repository import Customer, Order
from shared.database import Session
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, OrderState, Profile, ProfileUpdated


async def record_customers(session: Session, events: Sequence[ProfileUpdated]) -> None:
    """Each customer's facts are those of the highest version told; whose changed is marked."""
    newest: dict[str, Profile] = {}
    for event in events:
        known = newest.get(event.data.customer_id)
        if known is None or event.data.version > known.version:
            newest[event.data.customer_id] = event.data
    await repository.upsert_customers(session, [_customer(newest[key]) for key in sorted(newest)])


async def record_orders(
    session: Session, events: Sequence[OrderPaid | OrderRefunded | OrderCancelled], *, untimed: bool = False
) -> None:
    """Each order is as its highest version told; whose it is, and whose it was, is marked.

    `untimed`: these events do not say when they happened, so what they bring about is dated by the tick.
    """
    newest: dict[str, OrderState] = {}
    for event in events:
        known = newest.get(event.data.order_key)
        if known is None or event.data.version > known.version:
            newest[event.data.order_key] = event.data
    await repository.upsert_orders(session, [_order(newest[key]) for key in sorted(newest)], untimed=untimed)


def _customer(told: Profile) -> Customer:
    spend = {each.currency: {"orders": each.orders, "paid_amount": each.paid_amount} for each in told.spend}
    return Customer(
        customer_id=told.customer_id,
        version=told.version,
        platform=told.platform,
        source_id=told.source_id,
        is_member=told.member,
        orders=told.orders,
        spend=spend,
        first_order_at=_finite(told.first_order_at),
        last_order_at=_finite(told.last_order_at),
        first_visit_at=_finite(told.first_visit_at),
        last_visit_at=_finite(told.last_visit_at),
        visits=told.visits,
    )


def _order(told: OrderState) -> Order:
    counted = told.counted and told.paid_at is not None
    return Order(told.order_key, told.version, told.customer_id, _finite(told.paid_at), counted)


def _finite(at: datetime | None) -> datetime | None:
    return None if at is None else finite(at)
