"""Orders: placed, paid, changed, refunded, cancelled, in whatever order we hear of it."""

from collections.abc import Callable, Iterable
from copy import copy

from services.profile import repository
from services.profile.actions.changes import Changes, changes_of
from services.profile.domain import Order, Told, merge
from services.profile.repository import Refund
from shared import outbox
from shared.clock import instant_of_micros, wall_micros
from shared.database import Session
from shared.errors import Invalid
from shared.events import Event
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, OrderState
from shared.events.storefront import (
    Person,
    StorefrontOrderCancelled,
    StorefrontOrderCompleted,
    StorefrontOrderPlaced,
    StorefrontOrderRefunded,
    StorefrontOrderUpdated,
)

Fact = type[OrderPaid] | type[OrderRefunded] | type[OrderCancelled]
OrderEvent = StorefrontOrderPlaced | StorefrontOrderCompleted | StorefrontOrderUpdated


async def record_orders(session: Session, events: Iterable[OrderEvent], *, paid: bool) -> None:
    """The orders have the latest fields told, and are paid since the earliest payment told. Tells `order.paid`."""
    changes = changes_of(session)
    told = [
        Told(
            order_key=changes.ids.derive("ord", event.data.shop_id, event.data.order_id),
            shop_id=event.data.shop_id,
            order_id=event.data.order_id,
            customer_id=_customer(changes, event.data.person),
            at=event.time,
            event_id=event.id,
            total=event.data.total,
            currency=event.data.currency,
            coupons=tuple(event.data.coupons),
            channel=event.data.channel,
            paid=paid,
        )
        for event in events
    ]
    await _merge(session, told, OrderPaid)


async def cancel_orders(session: Session, events: Iterable[StorefrontOrderCancelled]) -> None:
    """The orders do not count any more; what was paid is given back. Tells `order.cancelled` of paid ones."""
    changes = changes_of(session)
    told = [
        Told(
            order_key=changes.ids.derive("ord", event.data.shop_id, event.data.order_id),
            shop_id=event.data.shop_id,
            order_id=event.data.order_id,
            customer_id=_customer(changes, event.data.person),
            at=event.time,
            event_id=event.id,
            cancelled=True,
        )
        for event in events
    ]
    await _merge(session, told, OrderCancelled)


async def refund_orders(session: Session, events: Iterable[StorefrontOrderRefunded]) -> None:
    """Each refund is known once; an order's refunds add up, to at most what was paid. Tells `order.refunded`."""
    changes = changes_of(session)
    blanks: dict[str, Order] = {}
    refunds: list[Refund] = []
    for event in events:
        data = event.data
        key = changes.ids.derive("ord", data.shop_id, data.order_id)
        blanks[key] = Order(key, data.shop_id, data.order_id, _customer(changes, data.person))
        refunds.append(Refund(key, data.refund_id, data.amount, event.time))
    # Locked before the sums are read, so that two workers with refunds of one order add up to both.
    await repository.add_orders(session, sorted(blanks.values(), key=lambda order: order.order_key))
    before = await repository.lock_orders(session, sorted(blanks))
    await repository.add_refunds(session, refunds)
    sums = await repository.get_refund_sums(session, sorted(before))

    def refund(order: Order) -> None:
        order.refunds, order.refund_total, order.refunds_all = sums[order.order_key]

    await _save(session, before, refund, OrderRefunded)


async def _merge(session: Session, told: Iterable[Told], fact: Fact) -> None:
    by_order: dict[str, list[Told]] = {}
    for each in told:
        by_order.setdefault(each.order_key, []).append(each)

    def merge_all(order: Order) -> None:
        for each in by_order[order.order_key]:
            merge(order, each)

    pending = sorted(by_order)
    while pending:
        # Most were never heard of. What was, or what another worker is adding, is there after this.
        known = await _add(session, [_blank(by_order[key][0]) for key in pending], merge_all, fact)
        before = await repository.lock_orders(session, known) if known else {}
        await _save(session, before, merge_all, fact)
        pending = [key for key in known if key not in before]


def _blank(told: Told) -> Order:
    return Order(told.order_key, told.shop_id, told.order_id, told.customer_id)


async def _add(session: Session, new: list[Order], change: Callable[[Order], None], fact: Fact) -> list[str]:
    """Stores, counts and tells orders that nobody had heard of; the keys of those that somebody had after all."""
    now = wall_micros()
    for order in new:
        change(order)
        order.version = now
    added = await repository.add_orders(session, new)
    changes = changes_of(session)
    for order in added:
        changes.of(order.customer_id).add_order(order, +1)
    tell_orders(session, added, fact)
    stored = {order.order_key for order in added}
    return [order.order_key for order in new if order.order_key not in stored]


def tell_orders(session: Session, orders: list[Order], fact: Fact) -> None:
    """Tells those of the orders that are known to be paid."""
    outbox.emit(session, [(order.customer_id, _fact(order, fact)) for order in orders if order.known])


async def _save(session: Session, before: dict[str, Order], change: Callable[[Order], None], fact: Fact) -> None:
    """Stores the orders that `change` changed, counts them in and their former selves out, and tells the paid ones."""
    now = wall_micros()
    changed: list[Order] = []
    for order in before.values():
        after = copy(order)
        change(after)
        if after != order:
            after.version = max(order.version + 1, now)
            _recount(session, order, after)
            changed.append(after)
    if changed:
        await repository.update_orders(session, changed)
    tell_orders(session, changed, fact)


def _recount(session: Session, before: Order, after: Order) -> None:
    changes = changes_of(session)
    changes.of(before.customer_id).add_order(before, -1)
    changes.of(after.customer_id).add_order(after, +1)
    moved = (before.paid_at, before.customer_id) != (after.paid_at, after.customer_id)
    if before.counted and (moved or not after.counted):
        changes.of(before.customer_id).recount = True


def _fact(order: Order, fact: Fact) -> Event:
    return fact(
        id=f"{order.order_key}:{order.version}",
        source="profile",
        subject=order.customer_id,
        time=instant_of_micros(order.version),
        data=OrderState(
            order_key=order.order_key,
            version=order.version,
            customer_id=order.customer_id,
            shop_id=order.shop_id,
            order_id=order.order_id,
            currency=order.currency or "",
            amount=order.total or 0,
            refunded_amount=order.refunded,
            counted=order.counted,
            paid_at=order.paid_at,
            cancelled_at=order.cancelled_at,
            coupons=list(order.coupons),
            channel=order.channel,
        ),
    )


def _customer(changes: Changes, person: Person) -> str:
    customer_id = changes.customer_of(person)
    if customer_id is None:
        raise Invalid("an order needs a customer: source_id or anonymous_id", pointer="/data/person")
    return customer_id
