"""What each of Segment's calls becomes on our topics: one table, shown in docs/contracts/segment.md."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from services.profile.schemas import making
from services.profile.schemas.calls import IdentifyMessage, Message, OrderMessage
from services.profile.schemas.making import Call
from shared import topics
from shared.errors import Invalid
from shared.events import Event
from shared.events import storefront as told

_message = msgspec.json.Decoder(Message)
_identify = msgspec.json.Decoder(IdentifyMessage)
_order = msgspec.json.Decoder(OrderMessage)


class Rule(NamedTuple):
    """What a call becomes. `reads` are the fields it looks at besides those of every call, `effect` is for people."""

    event: type[Event]
    topic: str
    make: Callable[[Call], Event]
    reads: tuple[str, ...]
    effect: str


def read(raw: bytes | msgspec.Raw, call: str | None = None) -> Message:
    """A message with the fields of its kind, and only those: what no rule reads may hold anything.

    `call` is the type when the path says it. Raises what msgspec does of bytes that are none."""
    message = _message.decode(raw)
    kind = call or message.type
    if kind == "identify":
        message = _identify.decode(raw)
    elif kind == "track" and message.event in ORDERS:
        message = _order.decode(raw)
    message.type = kind
    return message


def to_event(message: Message, message_id: str, at: Any, shop_id: str | None) -> tuple[str, str, Event]:
    """`(topic, key, event)`; raises Invalid with a pointer for what a call of its type lacks."""
    rule = rule_of(message)
    if message.user_id is None and message.anonymous_id is None:
        raise Invalid("userId or anonymousId is needed", code="person-missing", pointer="/userId")
    person = told.Person(source_id=message.user_id, anonymous_id=message.anonymous_id)
    shop = message.properties.shop_id or shop_id or "default"
    envelope: dict[str, Any] = {"id": message_id, "source": f"segment/{shop}", "time": at}
    event = rule.make(Call(message, envelope, person, shop))
    return rule.topic, message.user_id or message.anonymous_id or "", event


def rule_of(message: Message) -> Rule:
    """Every name has a rule; raises Invalid for a call that Segment does not have."""
    if message.type == "track":
        if message.event is None:
            raise Invalid("track needs the name of its event", code="event-missing", pointer="/event")
        return ORDERS.get(message.event) or NO_VISITS.get(message.event) or OTHER_TRACKS
    rule = CALLS.get(message.type or "")
    if rule is None:
        raise Invalid(f"type is track, {', '.join(CALLS)}", code="type-unknown", pointer="/type")
    return rule


def is_order_event(message: Message) -> bool:
    return message.type == "track" and message.event in ORDERS


_MONEY = ("properties.order_id", "properties.total", "properties.currency")
_ORDER = (*_MONEY, "properties.coupon", "properties.channel")


def _order_rule(event: type[Event], make: Callable[[Call], Event], reads: tuple[str, ...], effect: str) -> Rule:
    return Rule(event, topics.STOREFRONT_ORDERS, make, reads, effect)


def _known_rule(make: Callable[[Call], Event], reads: tuple[str, ...], effect: str) -> Rule:
    return Rule(told.StorefrontCustomerIdentified, topics.STOREFRONT_IDENTITIES, make, reads, effect)


def _visit_rule(reads: tuple[str, ...], effect: str) -> Rule:
    return Rule(told.StorefrontVisitRecorded, topics.STOREFRONT_VISITS, making.visited, reads, effect)


CALLS: dict[str, Rule] = {
    "identify": _known_rule(making.identified, ("traits.member",), "the customer exists; a member as was told last"),
    "alias": _known_rule(
        making.aliased,
        ("previousId",),
        "the customer `userId` exists; `previousId` is kept in the event, nobody is merged",
    ),
    "group": _known_rule(
        making.grouped, ("groupId",), "the customer exists; `groupId` is kept in the event, not used yet"
    ),
    "page": _visit_rule(("name", "properties.channel"), "a visit of that name, or of the name `page`"),
    "screen": _visit_rule(("name", "properties.channel"), "a visit of that name, or of the name `screen`"),
}

ORDERS: dict[str | None, Rule] = {
    "Order Placed": _order_rule(
        told.StorefrontOrderPlaced,
        making.of_order(told.StorefrontOrderPlaced),
        _ORDER,
        "an order that is not paid; a visit",
    ),
    "Order Completed": _order_rule(
        told.StorefrontOrderCompleted, making.of_order(told.StorefrontOrderCompleted), _ORDER, "the order is paid"
    ),
    "Order Updated": _order_rule(
        told.StorefrontOrderUpdated,
        making.of_order(told.StorefrontOrderUpdated),
        _ORDER,
        "the order's total, coupons and channel as told last",
    ),
    "Order Refunded": _order_rule(
        told.StorefrontOrderRefunded,
        making.refunded,
        (*_MONEY, "properties.refund_id"),
        "so much is given back, or all that is left; `refund_id` is the `messageId` unless told",
    ),
    "Order Cancelled": _order_rule(
        told.StorefrontOrderCancelled,
        making.cancelled,
        ("properties.order_id",),
        "the order is called off, all given back",
    ),
}

# What a shop's server tells of a parcel or a letter: the customer has not looked at the shop.
NO_VISITS: dict[str | None, Rule] = dict.fromkeys(
    (
        "Shipment Confirmed",
        "Shipment Arrived",
        "Shipment Out For Delivery",
        "Shipment Delivered",
        "Shipment Delayed",
        "Email Delivered",
        "Email Opened",
        "Email Clicked",
        "Email Link Clicked",
        "Email Bounced",
        "Email Marked as Spam",
        "Unsubscribed",
    ),
    _known_rule(making.noted, ("event",), "the customer exists; the name is kept in the event, it is no visit"),
)

OTHER_TRACKS = _visit_rule(("event", "properties.channel"), "a visit of that name")

# Names of Segment's e-commerce specification that are visits like any other: for the documents, no code asks.
VISITS = (
    "Products Searched",
    "Product List Viewed",
    "Product List Filtered",
    "Promotion Viewed",
    "Promotion Clicked",
    "Product Clicked",
    "Product Viewed",
    "Product Added",
    "Product Removed",
    "Cart Viewed",
    "Checkout Started",
    "Checkout Step Viewed",
    "Checkout Step Completed",
    "Payment Info Entered",
    "Coupon Entered",
    "Coupon Applied",
    "Coupon Denied",
    "Coupon Removed",
    "Product Added to Wishlist",
    "Product Removed from Wishlist",
    "Wishlist Product Added to Cart",
    "Product Shared",
    "Cart Shared",
    "Product Reviewed",
    "Signed In",
)
