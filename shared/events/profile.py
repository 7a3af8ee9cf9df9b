"""What profile tells: who a customer is, and each order and visit. Listened to by everybody behind it."""

from typing import Annotated

from msgspec import Meta

from shared.events.envelope import Count, Currency, Data, Event, Instant, Minor, Text, Version


class Spend(Data, frozen=True, kw_only=True):
    """Counted orders in one currency, and what was paid for them less what was given back."""

    currency: Currency
    orders: Count
    paid_amount: Minor


class Profile(Data, frozen=True, kw_only=True):
    """A customer's facts as of `version`; the highest version wins."""

    customer_id: Text
    version: Version
    platform: Text
    source_id: Text | None = None
    anonymous_id: Text | None = None
    member: bool = False
    orders: Count = 0
    spend: list[Spend] = []
    first_order_at: Instant | None = None
    last_order_at: Instant | None = None
    first_visit_at: Instant | None = None
    last_visit_at: Instant | None = None
    visits: Count = 0


class OrderState(Data, frozen=True, kw_only=True):
    """An order as of `version`. It counts (`counted`) while it is paid, not cancelled and not wholly refunded."""

    order_key: Text
    version: Version
    customer_id: Text
    shop_id: Text
    order_id: Text
    currency: Currency
    amount: Minor
    refunded_amount: Minor
    counted: bool
    paid_at: Instant | None = None
    cancelled_at: Instant | None = None
    coupons: list[Text] = []
    channel: Text | None = None


class VisitFact(Data, frozen=True, kw_only=True):
    visit_id: Text
    customer_id: Text
    shop_id: Text
    visited_at: Instant


class Visits(Data, frozen=True, kw_only=True):
    """Visits of many customers, in no order; each is told once, and only `comeback retell` tells it again."""

    visits: Annotated[list[VisitFact], Meta(min_length=1, max_length=1000)]


class ProfileUpdated(Event, frozen=True, kw_only=True, tag="com.comeback.profile.updated.v1"):
    """What is known of a customer changed; this is all of it."""

    data: Profile


class OrderPaid(Event, frozen=True, kw_only=True, tag="com.comeback.order.paid.v1"):
    """An order was paid, or what we know of a paid order changed."""

    data: OrderState


class OrderRefunded(Event, frozen=True, kw_only=True, tag="com.comeback.order.refunded.v1"):
    """Money of a paid order was given back."""

    data: OrderState


class OrderCancelled(Event, frozen=True, kw_only=True, tag="com.comeback.order.cancelled.v1"):
    """An order was called off and no longer counts."""

    data: OrderState


class VisitsRecorded(Event, frozen=True, kw_only=True, tag="com.comeback.visits.recorded.v1"):
    """Known customers looked at shops. Its key is its own id, because it belongs to no one customer."""

    data: Visits


EVENTS: tuple[type[Event], ...] = (ProfileUpdated, OrderPaid, OrderRefunded, OrderCancelled, VisitsRecorded)
