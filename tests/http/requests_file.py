"""Reads and runs a request file in the format of VS Code's REST Client, and holds each answer against its comment."""

import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_TITLE = re.compile(r"^### (.+)$", re.MULTILINE)
_VARIABLE = re.compile(r"^@(\w+) = (.+)$", re.MULTILINE)
_ANSWER = re.compile(r"^# → (\d{3})(?: (\{.*\}))?( soon)?$", re.MULTILINE)
_NAME = re.compile(r"^# @name (\w+)$", re.MULTILINE)
USE = re.compile(r"\{\{(.+?)\}\}")
_STEP = re.compile(r"(\w+)|\[(\d+)\]")
_SOON = 30.0


@dataclass(frozen=True)
class Wanted:
    status: int
    part: Any
    soon: bool


@dataclass(frozen=True)
class Entry:
    title: str
    name: str | None
    wanted: Wanted
    text: str


@dataclass(frozen=True)
class File:
    variables: dict[str, str]
    entries: list[Entry]


def read(path: Path) -> File:
    """Raises ValueError for a request that does not say what it is answered with."""
    head, *rest = _TITLE.split(path.read_text())
    titles, bodies = rest[::2], rest[1::2]
    return File(dict(_VARIABLE.findall(head)), [_entry(*each) for each in zip(titles, bodies, strict=True)])


def _entry(title: str, text: str) -> Entry:
    answer, name = _ANSWER.search(text), _NAME.search(text)
    if answer is None:
        raise ValueError(f"{title!r} does not say what it is answered with")
    status, part, soon = answer.groups()
    wanted = Wanted(int(status), json.loads(part) if part else None, bool(soon))
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return Entry(title, name[1] if name else None, wanted, "\n".join(lines).strip())


class Run:
    """One file from top to bottom; `seen` is told of every answer."""

    def __init__(self, file: File, environment: Mapping[str, str], seen: Callable[[httpx.Response], None]) -> None:
        self._file = file
        self._environment = environment
        self._answers: dict[str, Any] = {}
        self._seen = seen

    def all(self) -> None:
        """Raises AssertionError with the title of the first request that is answered otherwise."""
        with httpx.Client(timeout=30) as http:
            for entry in self._file.entries:
                self._one(http, entry)

    def _one(self, http: httpx.Client, entry: Entry) -> None:
        end = time.monotonic() + (_SOON if entry.wanted.soon else 0)
        while (wrong := self._ask(http, entry)) is not None:
            assert time.monotonic() < end, f"{entry.title}: {wrong}"
            time.sleep(0.2)

    def _ask(self, http: httpx.Client, entry: Entry) -> str | None:
        head, _, body = entry.text.partition("\n\n")
        (method, url), *headers = (line.split(" ", 1) for line in head.splitlines())
        answer = http.request(
            method,
            self.filled(url),
            headers={name.rstrip(":"): self.filled(value) for name, value in headers},
            content=self.filled(body).encode() or None,
        )
        self._seen(answer)
        wanted = entry.wanted
        found = answer.json() if answer.content else None
        if answer.status_code != wanted.status or (wanted.part is not None and not holds(wanted.part, found)):
            return f"{answer.status_code} {answer.text[:1000]}"
        if entry.name:
            self._answers[entry.name] = found
        return None

    def filled(self, text: str) -> str:
        """With every `{{...}}` replaced; raises LookupError for one that nothing is known of."""
        while USE.search(text):
            text = USE.sub(lambda found: self._value(found[1]), text)
        return text

    def _value(self, expression: str) -> str:
        if expression.startswith("$processEnv "):
            return self._environment[expression.removeprefix("$processEnv ")]
        if expression == "$guid":
            return str(uuid.uuid4())
        name, _, path = expression.partition(".response.body.")
        if not path:
            return self._file.variables[expression]
        value = self._answers[name]
        for field, number in _STEP.findall(path):
            value = value[field] if field else value[int(number)]
        return str(value)


def holds(part: Any, whole: Any) -> bool:
    """Whether all that `part` says is true of `whole`; of a list each of its elements must be there."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and holds(each, whole[name]) for name, each in part.items()
        )
    if isinstance(part, list):
        there = isinstance(whole, list) and (part != [] or whole == [])
        return there and all(any(holds(each, one) for one in whole) for each in part)
    return part == whole and type(part) is type(whole)
