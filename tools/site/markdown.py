"""Pieces of MyST Markdown: what the generated pages are put together from."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; a text of several lines becomes one."""
    lines = [_row(titles), _row(["---"] * len(titles))]
    return [*lines, *(_row([cell(each) for each in row]) for row in rows), ""]


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def section(level: int, title: str, anchor: str) -> list[str]:
    """A heading that pages link to as `#anchor`, whatever its words."""
    return [f"({anchor})=", f"{'#' * level} {title}", ""]


def as_json(value: Any) -> list[str]:
    return ["```json", json.dumps(value, indent=2, ensure_ascii=False), "```", ""]


def folded(title: str, lines: Iterable[str]) -> list[str]:
    """Shown when the reader opens it."""
    return [f"<details><summary>{title}</summary>", "", *lines, "</details>", ""]


def anchor(*words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
