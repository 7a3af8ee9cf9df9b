"""AsyncAPI 3: channels are topics, messages are events, operations say which service sends and receives what."""

from collections.abc import Iterable
from typing import Any

import msgspec

from deploy.local.names import SERVICES
from shared import topics
from shared.events import ClockTicked, Event, short_type, type_of
from shared.events.codec import encode
from shared.events.envelope import CONTENT_TYPE
from tools.contracts import traffic
from tools.contracts.samples import SAMPLES
from tools.contracts.schemas import schemas


def asyncapi() -> dict[str, Any]:
    used = {event.__name__: event for topic in topics.ALL for event in traffic.carried(topic)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Comeback's events",
            "version": "1",
            "description": "Structured CloudEvents 1.0. Within a version of a type only optional fields are added.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": {topic: _channel(topic) for topic in topics.ALL},
        "operations": _operations(),
        "components": {
            "messages": {name: _message(event) for name, event in used.items()},
            "schemas": schemas("#/components/schemas/{name}"),
        },
    }


def _channel(topic: str) -> dict[str, Any]:
    config = {name: int(topics.CONFIG[name]) for name in ("retention.ms", "max.message.bytes")}
    binding = {"partitions": topics.DEFAULT_PARTITIONS, "topicConfiguration": config, "bindingVersion": "0.5.0"}
    return {
        "address": topic,
        "summary": f"Written by {' and '.join(traffic.senders(topic))}.",
        "messages": {
            event.__name__: {"$ref": f"#/components/messages/{event.__name__}"} for event in traffic.carried(topic)
        },
        "bindings": {"kafka": binding},
    }


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for topic in topics.ALL:
        for sender in traffic.senders(topic):
            found |= _operation(sender, "send", topic, traffic.sent(sender, topic))
        for hearer in (*SERVICES, traffic.STOREFRONT):
            if events := traffic.heard(hearer, topic):
                found |= _operation(hearer, "receive", topic, events)
    return found


def _operation(service: str, action: str, topic: str, events: Iterable[type[Event]]) -> dict[str, Any]:
    operation = {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "summary": f"{service} {action}s what is on {topic}.",
        "tags": [{"name": service}],
        "messages": [{"$ref": f"#/channels/{topic}/messages/{event.__name__}"} for event in events],
    }
    return {f"{service}.{action}s.{topic}": operation}


def _message(event: type[Event]) -> dict[str, Any]:
    return {
        "name": type_of(event),
        "title": short_type(event),
        "summary": (event.__doc__ or "").strip(),
        "contentType": CONTENT_TYPE.decode(),
        "payload": {"$ref": f"#/components/schemas/{event.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": _key(event)}, "bindingVersion": "0.5.0"}},
        "examples": [{"name": short_type(event), "payload": msgspec.json.decode(encode(SAMPLES[event]))}],
    }


def _key(event: type[Event]) -> str:
    if event is ClockTicked:
        return "none: it is written into every partition"
    if traffic.topic_of(event) in topics.STOREFRONT:
        return "any stable id of the person"
    return "the customer's id, or what else `subject` names"
