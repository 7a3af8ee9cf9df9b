"""docs/contracts/released: the contracts of the last release, and what the code of today breaks of them."""

import json
from pathlib import Path
from typing import Any

from tools.contracts.breaking import breaks_of_api, may_break
from tools.contracts.evolution import broken_events

FOLDER = "released"
# Where what is kept of docs/contracts stands in the folder.
_PLACES = {"openapi/": "openapi/", "schemas/": "events/schemas/", "examples/": "events/examples/"}


def broken(folder: Path, wanted: dict[str, str]) -> list[str]:
    """What the documents `wanted` break of those released in `folder`, a line each.

    An API may be broken when its version says so; an event's version is its type, so never."""
    return [*_broken_apis(folder, wanted), *broken_events(_schemas(kept(folder)), _schemas(_to_keep(wanted)))]


def _broken_apis(folder: Path, wanted: dict[str, str]) -> list[str]:
    found: list[str] = []
    for path in sorted((folder / FOLDER / "openapi").glob("*.json")):
        old = json.loads(path.read_text())
        if f"openapi/{path.name}" not in wanted:
            found.append(f"openapi/{path.name} was removed")
            continue
        new = json.loads(wanted[f"openapi/{path.name}"])
        if not may_break(_version(old), _version(new)):
            found += [f"openapi/{path.name}#{each.pointer}: {each.reason}" for each in breaks_of_api(old, new)]
    return found


def release(folder: Path, wanted: dict[str, str], *, again: bool = False) -> list[str]:
    """Makes the documents `wanted` those of the last release; the names of the files that changed or went.

    Raises ValueError when an API of that version was released with another content, or an event is broken; `again`
    replaces even that, as long as nobody has it."""
    there, to_keep = kept(folder), _to_keep(wanted)
    changed = {name: text for name, text in to_keep.items() if there.get(name) != text}
    if not again:
        _refuse(there, changed, broken_events(_schemas(there), _schemas(to_keep)))
    gone = [name for name in there if name.startswith("events/") and name not in to_keep]
    for name in gone:
        (folder / FOLDER / name).unlink()
    for name, text in changed.items():
        (folder / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / FOLDER / name).write_text(text)
    return sorted(f"{FOLDER}/{name}" for name in [*changed, *gone])


def kept(folder: Path) -> dict[str, str]:
    """The files of the last release, by name in its folder."""
    root = folder / FOLDER
    return {path.relative_to(root).as_posix(): path.read_text() for path in sorted(root.rglob("*.json"))}


def _to_keep(wanted: dict[str, str]) -> dict[str, str]:
    return {
        place + name.removeprefix(prefix): text
        for name, text in wanted.items()
        for prefix, place in _PLACES.items()
        if name.startswith(prefix)
    }


def _refuse(there: dict[str, str], changed: dict[str, str], broken: list[str]) -> None:
    for name, text in changed.items():
        same_version = name in there and name.startswith("openapi/") and _number(there[name]) == _number(text)
        if same_version:
            raise ValueError(
                f"{FOLDER}/{name} is released as this version already: raise it in pyproject.toml and shared"
            )
    if broken:
        raise ValueError(f"{FOLDER}/events would be broken: {broken[0]}")


def _number(text: str) -> str:
    return _version(json.loads(text))


def _version(document: dict[str, Any]) -> str:
    return document["info"]["version"]


def _schemas(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """By full type of event."""
    found = {Path(name): text for name, text in files.items() if name.startswith(_PLACES["schemas/"])}
    return {path.stem: json.loads(text) for path, text in found.items()}
