"""docs/contracts/released: what the last release promised. Only `comeback contracts --release` writes it."""

import json
from pathlib import Path
from typing import Any

from shared.events import type_of
from shared.events.codec import EVENTS
from tools.contracts.evolution import Schemas, broken
from tools.contracts.samples import SAMPLES
from tools.contracts.schemas import event_schema
from tools.contracts.writing import example, pretty

NAME = "released"


def release() -> dict[str, str]:
    """The files of a release, by name in its folder, as the code has them today."""
    return {
        **{f"events/schemas/{type_of(event)}.json": pretty(event_schema(event)) for event in EVENTS},
        **{f"events/examples/{type_of(event)}.json": example(SAMPLES[event]) for event in EVENTS},
    }


def breaks_of(folder: Path) -> list[str]:
    """What of the release in the folder today's code breaks, a line each."""
    return broken(released_schemas(folder), {type_of(event): event_schema(event) for event in EVENTS})


def released_schemas(folder: Path) -> Schemas:
    return {path.stem: _read(path) for path in sorted((folder / "events" / "schemas").glob("*.json"))}


def released_examples(folder: Path) -> dict[str, bytes]:
    """By full type: an event as it may still be in a log."""
    return {path.stem: path.read_bytes() for path in sorted((folder / "events" / "examples").glob("*.json"))}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
