"""All files of docs/contracts, by name, as they follow from the code. Called by the command and by tests."""

from deploy.local.names import SERVICES
from services.profile.routes import segment_table
from shared.events import type_of
from shared.events.codec import EVENTS
from tools.contracts.asyncapi import asyncapi
from tools.contracts.mapping import written_map
from tools.contracts.openapi import openapi
from tools.contracts.samples import SAMPLES
from tools.contracts.schemas import event_schema, events_schema
from tools.contracts.writing import example, pretty


def documents() -> dict[str, str]:
    return {
        **{f"examples/{type_of(event)}.json": example(SAMPLES[event]) for event in SAMPLES},
        **{f"schemas/{type_of(event)}.json": pretty(event_schema(event)) for event in EVENTS},
        "events.schema.json": pretty(events_schema()),
        "asyncapi.json": pretty(asyncapi()),
        **{f"openapi/{service}.json": pretty(openapi(service)) for service in SERVICES},
        "map.md": written_map(),
        "segment.md": segment_table(),
    }
