"""Instants on their way from the database: an array of thousands at once, as whole microseconds.

The driver makes an object of each, in a microsecond, and a tick only wants to know which is earlier. What PostgreSQL
sends of an array in its own binary form is read in a tenth of that.
"""

import struct
from datetime import UTC, datetime

from services.segmentation.domain import Micros, micros

# What the binary form counts from, and the greatest number it holds, which stands for infinity.
_SINCE = micros(datetime(2000, 1, 1, tzinfo=UTC))
_NEVER = 2**63 - 1
_HEADER = 20
_ELEMENT = struct.Struct(">4xq")  # eight bytes, and in front of them that they are eight


def sent(instants: str) -> str:
    """SQL for an array of instants, some of them NULL, as `received` reads it; it has at least one element."""
    return f"array_send(array_replace({instants}, NULL, 'infinity'::timestamptz))"


def received(array: bytes) -> list[Micros | None]:
    """The instants in the order in which they were sent, None for NULL."""
    found = _ELEMENT.iter_unpack(memoryview(array)[_HEADER:])
    return [None if at == _NEVER else at + _SINCE for (at,) in found]
