"""The page of the events, from the AsyncAPI document: who tells what to whom, and what stands in each message."""

from typing import Any

from tools.site.markdown import anchor, as_json, folded, section, table
from tools.site.picture import picture
from tools.site.shapes import Schema, Shapes, named
from tools.site.traffic import Traffic

_TICK = "ClockTicked"
_ATTRIBUTES = {
    "type": "says which event it is; `v1` rises when a change is not only an addition",
    "id": "of this event; the same again is the same event",
    "source": "who tells it",
    "time": "when it happened, not when it was told",
    "subject": "whom or what it is about: the customer's id wherever there is one",
    "specversion": "of CloudEvents",
    "traceparent": "the trace that it belongs to, if it is traced",
    "data": "what happened",
}


def events_page(document: dict[str, Any]) -> str:
    traffic = Traffic(document)
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    shapes = Shapes("event", schemas)
    lines = [
        "# Events",
        "",
        f"{document['info']['description']} The documents behind this page: "
        "[asyncapi.json](../contracts/asyncapi.json) and [events.schema.json](../contracts/events.schema.json).",
        "",
        *section(2, "Who tells whom", "events-picture"),
        *picture(traffic),
        *_topics(document, traffic),
        *section(2, "What every message has", "events-envelope"),
        *_envelope(schemas[_TICK], shapes),
    ]
    for topic in document["channels"]:
        lines += section(2, topic, anchor("topic", topic))
        for name in traffic.carried(topic):
            if name != _TICK:
                lines += _event(name, messages[name], schemas[name], traffic, shapes)
    lines += section(2, "The tick", anchor("topic", "clock"))
    lines += _event(_TICK, messages[_TICK], schemas[_TICK], traffic, shapes)
    lines += [*section(2, "Shapes", "event-shapes"), "What stands in `data`, and what stands in that.", ""]
    return "\n".join([*lines, *shapes.sections(sorted(name for name in schemas if name not in messages))])


def _topics(document: dict[str, Any], traffic: Traffic) -> list[str]:
    rows = [
        (
            f"[{topic}](#{anchor('topic', topic)})",
            ", ".join(traffic.senders(topic)),
            ", ".join(traffic.receivers(topic)) or "nobody here",
            _kept(channel),
        )
        for topic, channel in document["channels"].items()
    ]
    return table(("topic", "told by", "heard by", "kept for"), rows)


def _kept(channel: dict[str, Any]) -> str:
    kept = channel.get("bindings", {}).get("kafka", {}).get("topicConfiguration", {}).get("retention.ms")
    return "as the broker says" if kept is None else f"{int(kept) / 3_600_000:g} h"


def _envelope(schema: Schema, shapes: Shapes) -> list[str]:
    plain = {**schema["properties"], "type": {"type": "string"}, "data": {"type": "object"}}
    said = {name: {**each, "description": _ATTRIBUTES.get(name, "")} for name, each in plain.items()}
    return shapes.fields({**schema, "properties": said})


def _event(name: str, message: dict[str, Any], schema: Schema, traffic: Traffic, shapes: Shapes) -> list[str]:
    heard = ", ".join(traffic.hearers(name)) or "nobody here"
    key = message.get("bindings", {}).get("kafka", {}).get("key", {}).get("description", "")
    data = named(schema["properties"]["data"])
    body = f"`data`: {shapes.type_of(schema['properties']['data'])}. " if data else ""
    shown = [line for each in message.get("examples", []) for line in folded("Example", as_json(each["payload"]))]
    return [
        *section(3, message["title"], anchor("event", name)),
        f"{message['summary']} `type` is `{message['name']}`. {body}Heard by {heard}. Record key: {key}.",
        "",
        *shown,
    ]
