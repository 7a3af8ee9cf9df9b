"""The CloudEvents 1.0 envelope that every message wears, and the field types that every contract uses."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

CONTENT_TYPE = b"application/cloudevents+json"
TYPE_PREFIX = "com.comeback."

# An identifier that somebody else chose: opaque, byte-exact, never normalised.
Text = Annotated[str, Meta(min_length=1, max_length=256)]
# Minor units of an ISO 4217 currency: what a double still holds exactly, so that every JSON reader agrees.
Minor = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]
Instant = Annotated[datetime, Meta(tz=True)]
Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Version = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="type"):
    """A message: `id` identifies it for ever, `time` says when it happened, `type` what."""

    id: Text
    source: Text
    time: Instant
    subject: str | msgspec.UnsetType = msgspec.UNSET
    specversion: Literal["1.0"] = "1.0"
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


class Data(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """The payload of an event; only optional fields may be added within a version."""


def type_of(event: Event | type[Event]) -> str:
    """The full CloudEvents type: `com.comeback.order.paid.v1`."""
    return str(event.__struct_config__.tag)


def short_type(event: Event | type[Event]) -> str:
    """The type as people say it: `order.paid`."""
    return type_of(event).removeprefix(TYPE_PREFIX).rsplit(".v", 1)[0]


def producer_of(event: type[Event]) -> str:
    """Which service may emit it: the name of the module that declares it."""
    return event.__module__.rsplit(".", 1)[1]
