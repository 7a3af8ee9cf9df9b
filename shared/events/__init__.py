"""Every message of the system. One file for each producer; who emits what is where it is declared."""

from shared.events.clock import ClockTicked, Tick
from shared.events.envelope import Event, producer_of, short_type, type_of

__all__ = ["ClockTicked", "Event", "Tick", "producer_of", "short_type", "type_of"]
