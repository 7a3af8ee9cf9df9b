"""JSON Schemas of all events."""

from typing import Any

import msgspec

from shared.events.codec import EVENTS


def schemas(template: str) -> dict[str, Any]:
    """By name; `template` says how one refers to another."""
    return msgspec.json.schema_components(EVENTS, ref_template=template)[1]


def events_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Every event of Comeback, as structured CloudEvents 1.0",
        "oneOf": [{"$ref": f"#/$defs/{event.__name__}"} for event in EVENTS],
        "$defs": schemas("#/$defs/{name}"),
    }
