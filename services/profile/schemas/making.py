"""The storefront's events, made of Segment's calls. Which call becomes which: the table in segment.py."""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import UNSET

from services.profile.schemas.money import minor_units
from shared.errors import Invalid
from shared.events import Event
from shared.events import storefront as told


class Call(NamedTuple):
    """One message with what it was read for."""

    message: Any
    envelope: dict[str, Any]
    person: told.Person
    shop_id: str


def identified(call: Call) -> Event:
    member = UNSET if call.message.traits.member is None else call.message.traits.member
    data = told.Identification(person=call.person, shop_id=call.shop_id, member=member)
    return told.StorefrontCustomerIdentified(**call.envelope, data=data)


def aliased(call: Call) -> Event:
    if call.message.previous_id is None:
        raise Invalid("alias needs previousId", code="previous-id-missing", pointer="/previousId")
    data = told.Identification(
        person=call.person, shop_id=call.shop_id, told_by="alias", previous_id=call.message.previous_id
    )
    return told.StorefrontCustomerIdentified(**call.envelope, data=data)


def grouped(call: Call) -> Event:
    if call.message.group_id is None:
        raise Invalid("group needs groupId", code="group-id-missing", pointer="/groupId")
    data = told.Identification(
        person=call.person, shop_id=call.shop_id, told_by="group", group_id=call.message.group_id
    )
    return told.StorefrontCustomerIdentified(**call.envelope, data=data)


def noted(call: Call) -> Event:
    data = told.Identification(person=call.person, shop_id=call.shop_id, told_by=call.message.event)
    return told.StorefrontCustomerIdentified(**call.envelope, data=data)


def visited(call: Call) -> Event:
    name = call.message.event if call.message.type == "track" else call.message.name or call.message.type
    data = told.Visit(person=call.person, shop_id=call.shop_id, name=name, channel=call.message.properties.channel)
    return told.StorefrontVisitRecorded(**call.envelope, data=data)


def _order_id(call: Call) -> str:
    if call.message.properties.order_id is None:
        raise Invalid(
            "an order event needs properties.order_id", code="order-id-missing", pointer="/properties/order_id"
        )
    return call.message.properties.order_id


def of_order(kind: Callable[..., Event]) -> Callable[[Call], Event]:
    def make(call: Call) -> Event:
        properties = call.message.properties
        amount = properties.total if properties.total is not None else properties.revenue
        if amount is None or properties.currency is None:
            raise Invalid(
                "an order needs total (or revenue) and currency", code="money-missing", pointer="/properties/total"
            )
        coupon: str | list[str] | None = properties.coupon
        order = told.Order(
            person=call.person,
            shop_id=call.shop_id,
            order_id=_order_id(call),
            total=minor_units(amount, properties.currency, "/properties/total"),
            currency=properties.currency,
            coupons=coupon if isinstance(coupon, list) else [coupon] if coupon else [],
            channel=properties.channel,
        )
        return kind(**call.envelope, data=order)

    return make


def refunded(call: Call) -> Event:
    properties = call.message.properties
    amount = properties.total if properties.total is not None else properties.revenue
    if amount is not None and properties.currency is None:
        raise Invalid("an amount needs its currency", code="money-missing", pointer="/properties/currency")
    refund = told.Refund(
        person=call.person,
        shop_id=call.shop_id,
        order_id=_order_id(call),
        refund_id=properties.refund_id or call.envelope["id"],
        amount=minor_units(amount, properties.currency, "/properties/total")
        if amount is not None and properties.currency
        else None,
    )
    return told.StorefrontOrderRefunded(**call.envelope, data=refund)


def cancelled(call: Call) -> Event:
    order = told.OrderReference(person=call.person, shop_id=call.shop_id, order_id=_order_id(call))
    return told.StorefrontOrderCancelled(**call.envelope, data=order)
