"""Who sends and who receives what, as an AsyncAPI document says."""

from typing import Any, NamedTuple


class _Way(NamedTuple):
    service: str
    action: str
    topic: str
    messages: list[str]


class Traffic:
    def __init__(self, document: dict[str, Any]) -> None:
        self.topics: list[str] = list(document["channels"])
        self._carried = {topic: list(channel["messages"]) for topic, channel in document["channels"].items()}
        self._ways = [_way(operation) for operation in document["operations"].values()]

    @property
    def services(self) -> list[str]:
        """Everybody who sends or receives, in the order of their first appearance."""
        return list(dict.fromkeys(way.service for way in self._ways))

    def carried(self, topic: str) -> list[str]:
        return self._carried[topic]

    def senders(self, topic: str) -> list[str]:
        return [way.service for way in self._ways if (way.topic, way.action) == (topic, "send")]

    def receivers(self, topic: str) -> list[str]:
        return [way.service for way in self._ways if (way.topic, way.action) == (topic, "receive")]

    def hearers(self, message: str) -> list[str]:
        found = (way.service for way in self._ways if way.action == "receive" and message in way.messages)
        return list(dict.fromkeys(found))

    def waits(self, service: str, topic: str) -> bool:
        """Whether the service's clock waits for the topic: it hears the ticks there."""
        return any(
            "ClockTicked" in way.messages
            for way in self._ways
            if (way.service, way.action, way.topic) == (service, "receive", topic)
        )


def _way(operation: dict[str, Any]) -> _Way:
    messages = [_last(each) for each in operation["messages"]]
    return _Way(operation["tags"][0]["name"], operation["action"], _last(operation["channel"]), messages)


def _last(reference: dict[str, str]) -> str:
    return reference["$ref"].rsplit("/", 1)[-1]
