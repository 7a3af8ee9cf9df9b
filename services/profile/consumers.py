"""What profile listens to: the three storefront topics."""

from collections.abc import Iterable

from services.profile import actions
from shared import topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events.storefront import (
    StorefrontCustomerIdentified,
    StorefrontOrderCancelled,
    StorefrontOrderCompleted,
    StorefrontOrderPlaced,
    StorefrontOrderRefunded,
    StorefrontOrderUpdated,
    StorefrontVisitRecorded,
)

# Profile decides nothing, so it need not stop at every tick: behind a backlog it passes on coarser ones.
consumers = Consumers(clocked=list(topics.STOREFRONT), skips_ticks=True)


@consumers.on(StorefrontCustomerIdentified)
async def on_storefront_customer_identified(session: Session, events: Iterable[StorefrontCustomerIdentified]) -> None:
    await actions.identify_customers(session, events)


@consumers.on(StorefrontVisitRecorded)
async def on_storefront_visit_recorded(session: Session, events: Iterable[StorefrontVisitRecorded]) -> None:
    await actions.record_visits(session, events)


@consumers.on(StorefrontOrderPlaced)
async def on_storefront_order_placed(session: Session, events: Iterable[StorefrontOrderPlaced]) -> None:
    await actions.record_visits(session, events, "order")
    await actions.record_orders(session, events, paid=False)


@consumers.on(StorefrontOrderUpdated)
async def on_storefront_order_updated(session: Session, events: Iterable[StorefrontOrderUpdated]) -> None:
    await actions.record_orders(session, events, paid=False)


@consumers.on(StorefrontOrderCompleted)
async def on_storefront_order_completed(session: Session, events: Iterable[StorefrontOrderCompleted]) -> None:
    await actions.record_orders(session, events, paid=True)


@consumers.on(StorefrontOrderRefunded)
async def on_storefront_order_refunded(session: Session, events: Iterable[StorefrontOrderRefunded]) -> None:
    await actions.refund_orders(session, events)


@consumers.on(StorefrontOrderCancelled)
async def on_storefront_order_cancelled(session: Session, events: Iterable[StorefrontOrderCancelled]) -> None:
    await actions.cancel_orders(session, events)


consumers.after_batch(actions.tell_profiles)
