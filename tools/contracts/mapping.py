"""map.md: the picture of who speaks to whom, the table of five, and every event with those who hear it."""

import importlib

from deploy.local.names import PORTS, SERVICES
from shared import topics
from shared.events import ClockTicked, short_type, type_of
from shared.events.codec import EVENTS
from tools.contracts import traffic
from tools.contracts.picture import picture


def written_map() -> str:
    return "\n".join(
        ["# Map", "", "Written by `comeback contracts`.", "", *picture(), "", *_services(), "", *_events()]
    )


def _services() -> list[str]:
    rows = ["| service | owns | listens to | tells | port |", "|---|---|---|---|---|"]
    for service in SERVICES:
        listens = ", ".join(topic for topic in topics.ALL if traffic.heard(service, topic))
        tells = ", ".join(topic for topic in topics.ALL if traffic.senders(topic) == [service])
        rows.append(
            f"| {service} | {_owns(service)} | {listens} | {tells or 'nothing (HTTP only)'} | {PORTS[service]} |"
        )
    return rows


def _owns(service: str) -> str:
    """What the service's package says of itself: `name: what it owns.`"""
    sentence = (importlib.import_module(f"services.{service}").__doc__ or "").split(": ", 1)[-1]
    return sentence.split(".")[0]


def _events() -> list[str]:
    rows = ["| event | says | travels on | heard by |", "|---|---|---|---|"]
    for event in EVENTS:
        topic = "every topic" if event is ClockTicked else traffic.topic_of(event)
        hearers = ", ".join(traffic.hearers(event)) or "nobody here"
        name = f"[{short_type(event)}](examples/{type_of(event)}.json)"
        rows.append(f"| {name} | {(event.__doc__ or '').strip()} | {topic} | {hearers} |")
    return [*rows, ""]
