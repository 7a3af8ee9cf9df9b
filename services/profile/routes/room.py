"""How much the ingest door holds in memory: what has come in and is neither refused nor acknowledged by Kafka yet.

While the broker is slow or gone this is what grows, so here it ends: who comes when it is full is told to come back.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from shared.errors import TooMany

# What a request and an event weigh beside their bytes: a task and its headers; two objects and a place in a list.
REQUEST_BYTES = 16_384
EVENT_BYTES = 256


@dataclass(slots=True)
class Place:
    """One request's part of the room. Whose it is may be known only when its body has come."""

    taken: int = 0
    key_id: str = ""
    waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])


class Room:
    """So many bytes for all. One key has half of it at the most: who floods us leaves room for the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_key: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return self._by_key.total()

    def take(self, place: Place, size: int) -> None:
        """Raises TooMany when there is no room for so many bytes more."""
        of_key = self._by_key[place.key_id] + size
        if self.taken + size > self._limit or (place.key_id and of_key > self._limit // 2):
            raise TooMany("the broker is behind; try again in a second", code="back-pressure")
        self._by_key[place.key_id] = of_key
        place.taken += size

    def belongs_to(self, place: Place, key_id: str) -> None:
        """From now on it counts as that key's; raises TooMany when the key has no room left."""
        taken = place.taken
        self._free(place)
        place.key_id = key_id
        self.take(place, taken)

    def leave(self, place: Place) -> None:
        """At once, or when what it waits for is done: the request may be over, but its events are still here."""
        if any(not each.done() for each in place.waiting):
            asyncio.gather(*place.waiting, return_exceptions=True).add_done_callback(lambda _: self._free(place))
        else:
            self._free(place)

    def _free(self, place: Place) -> None:
        self._by_key[place.key_id] -= place.taken
        place.taken = 0
        if not self._by_key[place.key_id]:
            del self._by_key[place.key_id]
