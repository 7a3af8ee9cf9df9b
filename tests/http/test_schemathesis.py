"""schemathesis asks every service what its document allows and what it forbids, one by one and in sequences. No answer
is a 5xx, none is undocumented in status, media type, headers, body or code, and nothing forbidden is taken."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.names import SERVICES
from deploy.local.state import ROOT
from tests.http import requests_file
from tests.http.conftest import System
from tests.http.requests_file import Run

EXAMPLES = 10
SECONDS = 180
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def known(system: System) -> dict[str, list[str]]:
    """Ids that exist, by the name of their field: what the request files leave behind."""
    ids: dict[str, list[str]] = {}

    def seen(answer: httpx.Response) -> None:
        for name, value in _ids_in(answer.json() if answer.is_success and answer.content else None):
            ids.setdefault(name, []).append(value)

    file = requests_file.read(ROOT / "services/coupons/requests.http")
    Run(file, system.environment, seen).all()
    Run(requests_file.read(ROOT / "services/segmentation/requests.http"), system.environment, seen).all()
    return {name: sorted(set(values)) for name, values in ids.items()}


def _ids_in(body: Any) -> Iterator[tuple[str, str]]:
    for each in body if isinstance(body, list) else [body]:
        if isinstance(each, dict):
            for name, value in each.items():
                if isinstance(value, str) and (name.endswith("_id") or name in ("code", "currency")) and value:
                    yield name, value
                yield from _ids_in(value)


@pytest.fixture(scope="module")
def asked(system: System, known: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """All services are asked at once, each by a schemathesis of its own."""
    folder = tmp_path_factory.mktemp("schemathesis")
    running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
    for service in SERVICES:
        path = folder / service
        with path.with_suffix(".txt").open("wb") as out:
            running[service] = (_start(system, service, known, out, path.with_suffix(".har")), path)
    yield running
    for process, _ in running.values():
        process.kill()
        process.wait()


def _start(
    system: System, service: str, known: dict[str, list[str]], out: Any, report: Path
) -> subprocess.Popen[bytes]:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(CONFIG), "run", f"{system.url(service)}/openapi.json"),
        *("--header", f"Authorization: Bearer {system.key}", "--max-examples", str(EXAMPLES)),
        *("--report", "har", "--report-har-path", str(report)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COMEBACK_KNOWN_IDS": json.dumps(known)}
    return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)


@pytest.mark.parametrize("service", SERVICES)
def test_every_answer_is_documented_and_none_is_a_5xx(service: str, asked: Any) -> None:
    process, path = asked[service]
    code = process.wait(timeout=SECONDS)
    said = path.with_suffix(".txt").read_text()
    assert code == 0, said[-20_000:]
    # A run that finds no operations, or whose requests are all refused for one reason, would be content, too.
    assert int(said.partition("Tested: ")[2].split()[0]) == int(said.partition("Selected: ")[2].split("/")[0]) > 5
    entries = json.loads(path.with_suffix(".har").read_text())["log"]["entries"]
    taken = [each for each in entries if each["response"]["status"] < 300]
    assert len(taken) > len(entries) / 10 > 10
