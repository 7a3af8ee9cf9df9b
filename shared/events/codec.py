"""From bytes to typed events in one pass, and back. What cannot be read is refused with a reason."""

from typing import Any, Union

import msgspec

from shared.events import coupons, profile, segmentation, storefront, targeting
from shared.events.clock import ClockTicked
from shared.events.envelope import Event

EVENTS: tuple[type[Event], ...] = (
    *storefront.EVENTS,
    *profile.EVENTS,
    *segmentation.EVENTS,
    *targeting.EVENTS,
    *coupons.EVENTS,
    ClockTicked,
)
MAX_BYTES = 1_048_576
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Union[EVENTS])  # pyright: ignore  # noqa: UP007


class Undecodable(Exception):
    """Bytes that are no event of ours; the message says which field breaks which rule."""


def encode(event: Event) -> bytes:
    return _encoder.encode(event)


def decode(value: bytes | None) -> Event:
    """The event in `value`; raises Undecodable."""
    if value is None:
        raise Undecodable("the record has no value")
    if len(value) > MAX_BYTES:
        raise Undecodable(f"the record has {len(value)} bytes, more than {MAX_BYTES}")
    try:
        event = _decoder.decode(value)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise Undecodable(str(error)) from error
    # The very ends of the calendar mean infinity to the database driver.
    if not 2 <= event.time.year <= 9998:
        raise Undecodable("time lies outside the years 2 to 9998")
    # PostgreSQL refuses NUL in text. In JSON it can only come as an escape, and most records have none.
    if b"\\" in value and b"\\u0000" in value and _has_nul(msgspec.to_builtins(event)):
        raise Undecodable("a text holds the character U+0000")
    return event


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(map(_has_nul, value.values()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
    if isinstance(value, list):
        return any(map(_has_nul, value))  # pyright: ignore[reportUnknownArgumentType]
    return False
