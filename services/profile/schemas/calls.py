"""The calls of Segment's SDKs as they arrive, and when each happened by our clock."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.events.envelope import Instant, Text

_PAST = timedelta(days=30)
_FUTURE = timedelta(minutes=5)


class Properties(msgspec.Struct):
    """What is read of every event's properties; all others are ignored, whatever they hold."""

    shop_id: Text | None = None
    channel: Text | None = None


class OrderProperties(Properties):
    """What is read of an order event's properties; amounts are decimal money in `currency`."""

    order_id: Text | None = None
    total: Decimal | None = None
    revenue: Decimal | None = None
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] | None = None
    coupon: Text | list[Text] | None = None
    refund_id: Text | None = None


class Traits(msgspec.Struct):
    member: bool | None = None


class Message(msgspec.Struct, rename="camel"):
    """One call of a Segment SDK, of whatever type."""

    type: str | None = None
    message_id: Text | None = None
    user_id: Text | None = None
    anonymous_id: Text | None = None
    previous_id: Text | None = None
    group_id: Text | None = None
    event: Text | None = None
    name: Text | None = None
    properties: Properties = msgspec.field(default_factory=Properties)
    timestamp: Instant | None = None
    original_timestamp: Instant | None = None
    sent_at: Instant | None = None


class IdentifyMessage(Message, rename="camel"):
    traits: Traits = msgspec.field(default_factory=Traits)


class OrderMessage(Message, rename="camel"):
    properties: OrderProperties = msgspec.field(default_factory=OrderProperties)  # pyright: ignore[reportIncompatibleVariableOverride]


class Batch(msgspec.Struct, rename="camel"):
    batch: Annotated[list[msgspec.Raw], Meta(max_length=10_000)]
    write_key: str | None = None
    sent_at: Instant | None = None


def happened_at(message: Message, received: datetime) -> datetime:
    """When it happened by our clock: what the device's clock is off by is taken out, and nonsense is cut off."""
    original = message.original_timestamp or message.timestamp
    if original is None:
        return received
    # A span, cut off before it is added: what some devices say leads out of the calendar.
    ago = original - (message.sent_at or received)
    return received + min(max(ago, -_PAST), _FUTURE)
