"""The commands of the other pages run, each is one that Comeback knows, and so is each rule of a segment."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from deploy.local.state import ROOT
from services.segmentation.domain import parse_rule
from tests.docs.blocks import Block
from tests.docs.session import run
from tools.main import app

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fences(language: str) -> list[tuple[str, str]]:
    """`(page, text)` of each fence of that language which no other test runs."""
    pages = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "reference"]
    return [(page.name, text) for page in pages for kind, text in _FENCE.findall(page.read_text()) if kind == language]


def commands() -> list[tuple[str, str]]:
    lines = [(page, line.split("#")[0]) for page, text in fences("sh") for line in text.splitlines()]
    return [(page, found[0]) for page, line in lines if (found := re.search(r"\bcomeback [^)\"|;]+", line))]


def read(words: list[str]) -> None:
    """Goes down to the command and lets it read its arguments; raises what it says of them."""
    found: Any = get_command(app)
    context: Any = None
    while hasattr(found, "commands"):
        context = found.context_class(found, parent=context, info_name=words[0])
        name, *words = words[1:] if context.parent is None else words
        assert name in found.commands, f"there is no command {name}"
        found = found.commands[name]
    found.make_context(found.name, words, parent=context)


def test_every_command_that_a_page_shows_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = commands()
    assert len(shown) > 5
    for page, line in shown:
        words = [re.sub(r"^<.*>$", "profile", word) for word in shlex.split(line)]
        for word in words:
            if word.endswith((".csv", ".parquet")):
                Path(word).touch()
        try:
            read(words)
        except Exception as error:
            raise AssertionError(f"{page}: `{line}`: {error}") from error


def test_every_rule_that_a_page_shows_is_one() -> None:
    shown = [text for _, text in fences("json")]
    assert shown
    for text in shown:
        parse_rule(json.loads(text))


@pytest.mark.parametrize("line", ["comeback stak up", "comeback topics grow --partition 3"])
def test_a_command_that_does_not_exist_is_seen(line: str) -> None:
    with pytest.raises(BaseException, match=r"no command|No such option|[Mm]issing"):
        read(shlex.split(line))


_FILES = """
import sys
import pyarrow
import pyarrow.parquet
from pathlib import Path
folder = Path(sys.argv[1])
(folder / "customers.csv").write_text("customer_id,created_at\\nc-1,2026-01-02 10:00:00\\n")
(folder / "orders.csv").write_text("order_id,customer_id,ordered_at,total\\no-1,c-1,2026-01-03 10:00:00,12.50\\n")
visit = {"customer_id": ["c-1"], "visited_at": ["2026-01-02T10:00:00Z"]}
pyarrow.parquet.write_table(pyarrow.table(visit), folder / "visits.parquet")
"""


def test_the_commands_of_the_other_pages_run(home: Path) -> None:
    """In one shell, as `docs/runbooks/README.md` says it is made; only Prometheus and code generators are left out."""
    pages = dict(fences("sh"))
    steps = [
        "make reset up",
        pages["README.md"],
        f"{sys.executable} -c {shlex.quote(_FILES)} {home}; cd {home}",
        pages["import.md"],
        next(text for page, text in fences("sh") if page == "http.md" and "keys create" in text),
        pages["metrics.md"].split("\n")[0],
        pages["verify.md"],
    ]
    outputs = run([Block("sh", f"{step}\n", number, shown=None) for number, step in enumerate(steps)], home)
    assert "Told 1 order" in outputs[3]
    assert "comeback_" in outputs[5]
    assert "Everything that was compared holds." in outputs[6]
