"""What segmentation listens to: customers' facts and orders, as profile tells them."""

from collections.abc import Iterable

from services.segmentation import actions
from shared import topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, ProfileUpdated

consumers = Consumers(clocked=[topics.PROFILE])


@consumers.on(OrderPaid)
async def on_order_paid(session: Session, events: Iterable[OrderPaid]) -> None:
    await actions.record_orders(session, events)


@consumers.on(OrderRefunded)
async def on_order_refunded(session: Session, events: Iterable[OrderRefunded]) -> None:
    await actions.record_orders(session, events, untimed=True)


@consumers.on(OrderCancelled)
async def on_order_cancelled(session: Session, events: Iterable[OrderCancelled]) -> None:
    await actions.record_orders(session, events, untimed=True)


@consumers.on(ProfileUpdated)
async def on_profile_updated(session: Session, events: Iterable[ProfileUpdated]) -> None:
    await actions.record_customers(session, events)
