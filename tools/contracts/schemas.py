"""JSON Schemas of all events."""

from typing import Any

import msgspec

from shared.events import Event, type_of
from shared.events.codec import EVENTS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas(template: str) -> dict[str, Any]:
    """By name; `template` says how one refers to another."""
    return msgspec.json.schema_components(EVENTS, ref_template=template)[1]


def events_schema() -> dict[str, Any]:
    return {
        "$schema": _DIALECT,
        "title": "Every event of Comeback, as structured CloudEvents 1.0",
        "oneOf": [{"$ref": f"#/$defs/{event.__name__}"} for event in EVENTS],
        "$defs": schemas("#/$defs/{name}"),
    }


def event_schema(event: type[Event]) -> dict[str, Any]:
    """One event's, with all that it refers to."""
    return {"$schema": _DIALECT, "title": type_of(event), **msgspec.json.schema(event)}
