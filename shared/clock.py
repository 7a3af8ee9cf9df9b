"""The only place that reads the wall clock. Decisions take their now from ticks, never from here."""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

# What an empty clock says: earlier than anything that can happen. Not the very first instant of the calendar,
# which the database driver takes for minus infinity.
BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


def wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


def wall_micros() -> int:
    return time.time_ns() // 1000


# All that one batch has changed has about the same version.
@lru_cache(1_000)
def instant_of_micros(micros: int) -> datetime:
    """The instant of a version: microseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
