"""What several requests tell goes to Kafka in one go: while the broker acknowledges one bundle, the next one grows.

A call to the broker costs as much for a hundred events as for a thousand. For each topic there is one under way.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from shared.kafka import Producer

Messages = list[tuple[str, bytes]]


@dataclass(slots=True)
class _Bundle:
    acknowledged: asyncio.Future[None]
    messages: Messages = field(default_factory=Messages)


class Bundles:
    """In front of `state.producer`; what is told of one key arrives in the order in which it was given."""

    def __init__(self, state: Any) -> None:
        self._state = state
        self._growing: dict[str, _Bundle] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    def add(self, out: list[tuple[str, str, bytes]]) -> list[asyncio.Future[None]]:
        """Takes `(topic, key, body)`; done when the broker has acknowledged, failed as `Producer.publish` fails."""
        for topic, key, body in out:
            bundle = self._growing.get(topic)
            if bundle is None:
                bundle = self._growing[topic] = _Bundle(asyncio.get_running_loop().create_future())
            bundle.messages.append((key, body))
        topics = {topic for topic, _, _ in out}
        for topic in topics - self._sending.keys():
            self._sending[topic] = asyncio.create_task(self._send(topic))
        return [self._growing[topic].acknowledged for topic in topics]

    async def _send(self, topic: str) -> None:
        producer: Producer = self._state.producer
        while bundle := self._growing.pop(topic, None):
            try:
                await producer.publish(topic, bundle.messages)
            except Exception as error:
                bundle.acknowledged.set_exception(error)
                bundle.acknowledged.exception()  # known, even when all who waited have gone
            else:
                bundle.acknowledged.set_result(None)
        del self._sending[topic]
