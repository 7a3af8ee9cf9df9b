"""Facts as profile tells them; they decide nothing, they mark whom the next tick has to look at."""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter

import msgspec

from services.segmentation import repository
from services.segmentation.domain import finite
from services.segmentation.repository import Customer, Order
from shared.consuming import newest
from shared.database import Session
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, OrderState, Profile, ProfileUpdated, Spend


async def record_customers(session: Session, events: Iterable[ProfileUpdated]) -> None:
    """Each customer's facts are those of the highest version told; whose changed is marked."""
    told = newest((_customer(event.data) for event in events), attrgetter("customer_id"))
    await repository.upsert_customers(session, [told[key] for key in sorted(told)])


async def record_orders(
    session: Session, events: Iterable[OrderPaid | OrderRefunded | OrderCancelled], *, untimed: bool = False
) -> None:
    """Each order is as its highest version told; whose it is, and whose it was, is marked.

    `untimed`: these events do not say when they happened, so what they bring about is dated by the tick.
    """
    told = newest((_order(event.data) for event in events), attrgetter("order_key"))
    await repository.upsert_orders(session, [told[key] for key in sorted(told)], untimed=untimed)


def _customer(told: Profile) -> Customer:
    return Customer(
        told.customer_id,
        told.version,
        told.platform,
        told.source_id,
        told.member,
        told.orders,
        _spend(told.spend) if told.spend else None,
        _finite(told.first_order_at),
        _finite(told.last_order_at),
        _finite(told.first_visit_at),
        _finite(told.last_visit_at),
        told.visits,
    )


def _spend(told: list[Spend]) -> str:
    by_currency = {each.currency: {"orders": each.orders, "paid_amount": each.paid_amount} for each in told}
    return msgspec.json.encode(by_currency).decode()


def _order(told: OrderState) -> Order:
    counted = told.counted and told.paid_at is not None
    return Order(told.order_key, told.version, told.customer_id, _finite(told.paid_at), counted)


def _finite(at: datetime | None) -> datetime | None:
    return None if at is None else finite(at)
