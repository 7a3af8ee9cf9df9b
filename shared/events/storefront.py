"""What a storefront tells us: the public contract of the three storefront topics. Listened to by profile."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from shared.events.envelope import Currency, Data, Event, Minor, Text


class Person(Data, frozen=True, kw_only=True):
    """Who it was: the shop's own id (`source_id`) or else a browser's `anonymous_id`, in one id space (`platform`)."""

    platform: Text = "web"
    source_id: Text | None = None
    anonymous_id: Text | None = None


class Order(Data, frozen=True, kw_only=True):
    """An order as the storefront knows it now; `total` is what the customer pays, in minor units."""

    person: Person
    shop_id: Text
    order_id: Text
    total: Minor
    currency: Currency
    coupons: Annotated[list[Text], Meta(max_length=50)] = []
    channel: Text | None = None


class OrderReference(Data, frozen=True, kw_only=True):
    person: Person
    shop_id: Text
    order_id: Text


class Refund(Data, frozen=True, kw_only=True):
    """Money given back; without an `amount` it is all that is left of the order."""

    person: Person
    shop_id: Text
    order_id: Text
    refund_id: Text
    amount: Minor | None = None


class Visit(Data, frozen=True, kw_only=True):
    person: Person
    shop_id: Text
    name: Text = "page"
    channel: Text | None = None


class Identification(Data, frozen=True, kw_only=True):
    """A customer made themself known; traits that are absent stay as they are.

    `told_by` is the call or the event that said so; the id and the group that came with it are kept, and not used yet.
    """

    person: Person
    shop_id: Text
    member: bool | UnsetType = UNSET
    told_by: Text = "identify"
    previous_id: Text | UnsetType = UNSET
    group_id: Text | UnsetType = UNSET


class StorefrontOrderPlaced(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-order.placed.v1"):
    """A customer placed an order that is not paid yet."""

    data: Order


class StorefrontOrderCompleted(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-order.completed.v1"):
    """A customer paid an order."""

    data: Order


class StorefrontOrderUpdated(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-order.updated.v1"):
    """The content of an order changed."""

    data: Order


class StorefrontOrderRefunded(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-order.refunded.v1"):
    """Money of an order was given back."""

    data: Refund


class StorefrontOrderCancelled(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-order.cancelled.v1"):
    """An order was called off; if it was paid, all of it is given back."""

    data: OrderReference


class StorefrontVisitRecorded(Event, frozen=True, kw_only=True, tag="com.comeback.storefront-visit.recorded.v1"):
    """Somebody looked at the shop."""

    data: Visit


class StorefrontCustomerIdentified(
    Event, frozen=True, kw_only=True, tag="com.comeback.storefront-customer.identified.v1"
):
    """The storefront learnt who somebody is."""

    data: Identification


EVENTS: tuple[type[Event], ...] = (
    StorefrontOrderPlaced,
    StorefrontOrderCompleted,
    StorefrontOrderUpdated,
    StorefrontOrderRefunded,
    StorefrontOrderCancelled,
    StorefrontVisitRecorded,
    StorefrontCustomerIdentified,
)
