"""The site builds strictly, leads nowhere into nothing, needs no other host, and says all that the contracts say."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from deploy.local.names import SERVICES
from deploy.local.state import ROOT
from services.coupons.settings import Settings
from tools.site import contract, pages
from tools.site.events import events_page
from tools.site.http import http_page

BUILD = [sys.executable, "-m", "sphinx", "-E", "-W", "--keep-going", "-n", "-q"]
# Tags whose address a browser fetches by itself; `a` it does not.
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """Where a page leads, what it fetches, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in FETCHED and FETCHED[tag] in values:
            self.fetched.append(values[FETCHED[tag]])


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BUILD, source, target], cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build(ROOT / "docs", target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def read(built: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in sorted(built.rglob("*.html"))}


def test_every_link_leads_to_a_page_or_file_of_the_site_and_to_an_anchor_on_it(read: dict[Path, Page]) -> None:
    """Looked at in the HTML, so also what the generator does not check: the theme's own links and raw HTML."""
    broken = [
        f"{path.name}: {link}"
        for path, page in read.items()
        for link in page.links
        if not urlsplit(link).scheme and not _leads_somewhere(path, link, read)
    ]
    assert broken == []
    assert sum(len(page.links) for page in read.values()) > 1_000


def _leads_somewhere(path: Path, link: str, read: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target not in read:
        return target.is_file()
    return unquote(parts.fragment) in read[target].anchors


def test_no_page_and_no_style_fetches_anything_from_another_host(built: Path, read: dict[Path, Page]) -> None:
    foreign = [f"{path.name}: {each}" for path, page in read.items() for each in page.fetched if "//" in each]
    assert foreign == []
    for style in built.rglob("*.css"):
        assert re.findall(r"url\(\s*[\"']?https?:|@import\s+(?:url\()?[\"']?https?:", style.read_text()) == []


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """The sources where a test may spoil them; beside the code, which some pages link to."""
    folder = ROOT / f".docs-{tmp_path.name}"
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("reference", "released"))
    yield folder
    shutil.rmtree(folder)


def test_planted_broken_links_stop_the_build_and_each_is_named(copy: Path, tmp_path: Path) -> None:
    planted = [
        "[a page](gone.md)",
        "[an anchor](concepts.md#gone-heading)",
        "[an operation](#coupons-gone-operation)",
        "[a file](../services/coupons/gone.py)",
    ]
    with (copy / "quickstart.md").open("a") as file:
        file.write("\n" + "\n\n".join(planted) + "\n")
    done = build(copy, tmp_path / "site")
    assert done.returncode != 0
    for gone in ("gone.md", "gone-heading", "coupons-gone-operation", "gone.py"):
        assert re.search(rf"quickstart\.md:\d+: WARNING: .*{re.escape(gone)}", done.stderr), gone


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_stands_on_its_services_page_with_scope_errors_and_example(service: str) -> None:
    document = contract(f"openapi/{service}.json")
    page = http_page(service, document)
    sections = dict(re.findall(r"^\(([^)]+)\)=\n(.*?)(?=^\(|\Z)", page, re.MULTILINE | re.DOTALL))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            section = sections[operation["operationId"]]
            assert f"{method.upper()} {path}" in section
            assert f"Scope `{operation['x-scope']}`" in section
            for status, response in operation["responses"].items():
                assert f"| {status} |" in section
                assert all(f"`{code}`" in section for code in response.get("x-codes", []))
            if "requestBody" in operation:
                assert "<summary>Example" in section
    for name in document["components"]["schemas"]:
        assert f"`{name}`" in page


def test_every_event_stands_on_the_page_of_events_with_its_example() -> None:
    document = contract("asyncapi.json")
    page = events_page(document)
    for topic in document["channels"]:
        assert f"## {topic}\n" in page
        assert f">{topic}</text>" in page
    for message in document["components"]["messages"].values():
        assert page.count(f"### {message['title']}\n") == 1
        assert json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False) in page


def test_every_setting_stands_on_the_page_of_settings_with_its_default_and_meaning() -> None:
    page = pages()["settings.md"]
    for name, field in Settings.model_fields.items():
        assert field.description, name
        default = "required" if field.is_required() else f"`{field.default}`" if field.default != "" else "empty"
        [row] = [line for line in page.splitlines() if line.startswith(f"| `COMEBACK_{name.upper()}` |")]
        assert f"| {default} |" in row
        assert field.description in row
