"""How what is generated is written: as text that people can read and git can compare."""

import json
from typing import Any

import msgspec

from shared.events import Event
from shared.events.codec import encode


def pretty(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def example(event: Event) -> str:
    return msgspec.json.format(encode(event), indent=2).decode() + "\n"
