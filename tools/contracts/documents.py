"""All files of docs/contracts, by name, as they follow from the code. Called by the command and by tests."""

import json
from typing import Any

import msgspec

from deploy.local.names import SERVICES
from services.profile.routes import segment_table
from shared.events import type_of
from shared.events.codec import encode
from tools.contracts.asyncapi import asyncapi
from tools.contracts.mapping import written_map
from tools.contracts.openapi import openapi
from tools.contracts.samples import SAMPLES
from tools.contracts.schemas import events_schema


def documents() -> dict[str, str]:
    return {
        **{f"examples/{type_of(event)}.json": _example(event) for event in SAMPLES},
        "events.schema.json": _pretty(events_schema()),
        "asyncapi.json": _pretty(asyncapi()),
        **{f"openapi/{service}.json": _pretty(openapi(service)) for service in SERVICES},
        "map.md": written_map(),
        "segment.md": segment_table(),
    }


def _example(event: type) -> str:
    return msgspec.json.format(encode(SAMPLES[event]), indent=2).decode() + "\n"


def _pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
