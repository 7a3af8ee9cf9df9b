"""Segment's shapes (identify, track, page) as storefronts send them, and what each becomes on our topics."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from shared import topics
from shared.errors import Invalid
from shared.events import Event
from shared.events import storefront as told
from shared.events.envelope import Instant, Text

# ISO 4217 currencies whose minor unit is not a hundredth.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
# Decimal would round what has too many digits to be told apart.
_EXACT = Context(traps=[Inexact, InvalidOperation, Overflow])
_PAST = timedelta(days=30)
_FUTURE = timedelta(minutes=5)


class Properties(msgspec.Struct):
    """The fields of an event that we read; all others are ignored."""

    shop_id: Text | None = None
    order_id: Text | None = None
    total: Decimal | None = None
    revenue: Decimal | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    coupon: Text | list[Text] | None = None
    refund_id: Text | None = None
    channel: Text | None = None


class Traits(msgspec.Struct):
    member: bool | None = None


class Message(msgspec.Struct, rename="camel"):
    """One call of a Segment SDK."""

    type: str | None = None
    message_id: Text | None = None
    user_id: Text | None = None
    anonymous_id: Text | None = None
    event: Text | None = None
    name: Text | None = None
    properties: Properties = msgspec.field(default_factory=Properties)
    traits: Traits = msgspec.field(default_factory=Traits)
    timestamp: Instant | None = None
    original_timestamp: Instant | None = None
    sent_at: Instant | None = None


class Batch(msgspec.Struct, rename="camel"):
    batch: Annotated[list[msgspec.Raw], Meta(max_length=10_000)]
    write_key: str | None = None
    sent_at: Instant | None = None


def happened_at(message: Message, received: datetime) -> datetime:
    """When it happened by our clock: what the device's clock is off by is taken out, and nonsense is cut off."""
    original = message.original_timestamp or message.timestamp
    if original is None:
        return received
    at = received - (message.sent_at - original) if message.sent_at else original
    return min(max(at, received - _PAST), received + _FUTURE)


def minor_units(amount: Decimal, currency: str, pointer: str) -> int:
    """Decimal money in minor units; raises Invalid for what is no amount of that currency."""
    try:
        minor = _EXACT.scaleb(amount, 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2)
        whole = int(minor)
    except (ArithmeticError, ValueError) as error:
        raise Invalid("this is no amount of money", code="money-invalid", pointer=pointer) from error
    if minor != whole or not 0 <= whole < 2**53:
        raise Invalid(
            f"not an amount of whole minor units of {currency} between 0 and 2^53",
            code="money-invalid",
            pointer=pointer,
        )
    return whole


def to_event(message: Message, message_id: str, at: datetime, shop_id: str | None) -> tuple[str, str, Event]:
    """`(topic, key, event)`; raises Invalid with a pointer for what a call of its type lacks."""
    if message.user_id is None and message.anonymous_id is None:
        raise Invalid("userId or anonymousId is needed", code="person-missing", pointer="/userId")
    person = told.Person(source_id=message.user_id, anonymous_id=message.anonymous_id)
    key = message.user_id or message.anonymous_id or ""
    shop = message.properties.shop_id or shop_id or "default"
    envelope: dict[str, Any] = {"id": message_id, "source": f"segment/{shop}", "time": at}
    if message.type == "identify":
        member = UNSET if message.traits.member is None else message.traits.member
        data = told.Identification(person=person, shop_id=shop, member=member)
        return topics.STOREFRONT_IDENTITIES, key, told.StorefrontCustomerIdentified(**envelope, data=data)
    if message.type == "track" and message.event in _ORDER_EVENTS:
        return topics.STOREFRONT_ORDERS, key, _ORDER_EVENTS[message.event](message, envelope, person, shop)
    name = message.event if message.type == "track" else message.name or "page"
    if message.type not in ("track", "page") or name is None:
        raise Invalid("type is identify, track (with an event) or page", code="type-unknown", pointer="/type")
    visit = told.Visit(person=person, shop_id=shop, name=name, channel=message.properties.channel)
    return topics.STOREFRONT_VISITS, key, told.StorefrontVisitRecorded(**envelope, data=visit)


def is_order_event(message: Message) -> bool:
    return message.type == "track" and message.event in _ORDER_EVENTS


def _order_id(message: Message) -> str:
    if message.properties.order_id is None:
        raise Invalid(
            "an order event needs properties.order_id", code="order-id-missing", pointer="/properties/order_id"
        )
    return message.properties.order_id


def _order(kind: Callable[..., Event]) -> Callable[..., Event]:
    def make(message: Message, envelope: dict[str, Any], person: told.Person, shop: str) -> Event:
        properties = message.properties
        amount = properties.total if properties.total is not None else properties.revenue
        if amount is None or properties.currency is None:
            raise Invalid(
                "an order needs total (or revenue) and currency", code="money-missing", pointer="/properties/total"
            )
        coupon = properties.coupon
        order = told.Order(
            person=person,
            shop_id=shop,
            order_id=_order_id(message),
            total=minor_units(amount, properties.currency, "/properties/total"),
            currency=properties.currency,
            coupons=coupon if isinstance(coupon, list) else [coupon] if coupon else [],
            channel=properties.channel,
        )
        return kind(**envelope, data=order)

    return make


def _refund(message: Message, envelope: dict[str, Any], person: told.Person, shop: str) -> Event:
    properties = message.properties
    amount = properties.total if properties.total is not None else properties.revenue
    if amount is not None and properties.currency is None:
        raise Invalid("an amount needs its currency", code="money-missing", pointer="/properties/currency")
    refund = told.Refund(
        person=person,
        shop_id=shop,
        order_id=_order_id(message),
        refund_id=properties.refund_id or envelope["id"],
        amount=minor_units(amount, properties.currency, "/properties/total")
        if amount is not None and properties.currency
        else None,
    )
    return told.StorefrontOrderRefunded(**envelope, data=refund)


def _cancel(message: Message, envelope: dict[str, Any], person: told.Person, shop: str) -> Event:
    order = told.OrderReference(person=person, shop_id=shop, order_id=_order_id(message))
    return told.StorefrontOrderCancelled(**envelope, data=order)


_ORDER_EVENTS: dict[str | None, Callable[..., Event]] = {
    "Order Placed": _order(told.StorefrontOrderPlaced),
    "Order Completed": _order(told.StorefrontOrderCompleted),
    "Order Updated": _order(told.StorefrontOrderUpdated),
    "Order Refunded": _refund,
    "Order Cancelled": _cancel,
}
