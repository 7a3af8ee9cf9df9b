"""docs/contracts/released: the contracts of the last release, and what the code of today breaks of them."""

import json
from pathlib import Path
from typing import Any

from tools.contracts.breaking import breaks_of_api, may_break

FOLDER = "released"
_APIS = f"{FOLDER}/openapi"


def broken(folder: Path, wanted: dict[str, str]) -> list[str]:
    """What the documents `wanted` break of those released in `folder`, unless their version says that it may."""
    found: list[str] = []
    for path in sorted((folder / _APIS).glob("*.json")):
        old = json.loads(path.read_text())
        if f"openapi/{path.name}" not in wanted:
            found.append(f"openapi/{path.name} was removed")
            continue
        new = json.loads(wanted[f"openapi/{path.name}"])
        if not may_break(_version(old), _version(new)):
            found += [f"openapi/{path.name}#{each.pointer}: {each.reason}" for each in breaks_of_api(old, new)]
    return found


def release(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Makes the documents `wanted` those of the last release; the names of the files that changed.

    Raises ValueError when a document of that version was released with another content."""
    changed = {
        f"{FOLDER}/{name}": text
        for name, text in wanted.items()
        if name.startswith("openapi/") and _text(folder / FOLDER / name) != text
    }
    for name, text in changed.items():
        released = _text(folder / name)
        if released is not None and _version(json.loads(released)) == _version(json.loads(text)):
            raise ValueError(f"{name} is released as this version already: raise it in pyproject.toml and shared")
    for name, text in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return sorted(changed)


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def _version(document: dict[str, Any]) -> str:
    return document["info"]["version"]
