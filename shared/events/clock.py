"""The tick that travels inside every partition of every topic that carries the clock."""

from typing import Annotated

from msgspec import Meta

from shared.events.envelope import Data, Event, Instant


class Tick(Data, frozen=True, kw_only=True):
    at: Instant
    partitions: Annotated[int, Meta(ge=1, le=100_000)]


class ClockTicked(Event, frozen=True, kw_only=True, tag="com.comeback.clock.ticked.v1"):
    """Everything that was written to this partition before this message happened no later than `at`."""

    data: Tick
