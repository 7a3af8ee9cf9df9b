"""The import contracts of pyproject.toml hold, and each of them has been seen to bite. architecture.md 3."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMES = {contract["id"]: contract["name"] for contract in CONTRACTS}

# Where a violation is planted, what is planted, and the contracts that must break: these and no others.
PLANTED = [
    ("services/targeting/actions/__init__.py", "import services.profile.domain", {"independent"}),
    ("services/metrics/routes/__init__.py", "import services.coupons.errors", {"independent"}),
    ("services/profile/domain.py", "import services.profile.models", {"down", "models", "domain"}),
    ("services/profile/repository/orders.py", "import services.profile.actions.ordering", {"down", "actions"}),
    ("services/profile/errors.py", "import services.profile.domain", {"down"}),
    ("services/profile/routes/customers.py", "import services.profile.consumers", {"down"}),
    ("services/profile/helpers.py", "", {"down"}),
    ("services/profile/actions/ordering.py", "import services.profile.settings", {"settings"}),
    ("services/profile/consumers.py", "import services.profile.schemas.customers", {"schemas"}),
    ("services/profile/schemas/customers.py", "import services.profile.actions.ordering", {"actions"}),
    ("services/profile/consumers.py", "import services.profile.repository", {"repository"}),
    ("services/profile/routes/customers.py", "import services.profile.models", {"models"}),
    ("shared/outbox.py", "import services.profile.domain", {"shared", "independent"}),
    ("shared/clock.py", "import tests.support.doing", {"shared"}),
    ("services/profile/domain.py", "import pydantic", {"domain"}),
    ("services/profile/domain.py", "import shared.outbox", {"domain"}),  # not even through others
    ("services/profile/consumers.py", "from aiokafka import TopicPartition", {"aiokafka"}),
    ("demo/storefront.py", "import aiokafka", {"aiokafka"}),
    ("services/profile/routes/ingest.py", "from opentelemetry import trace", {"opentelemetry"}),
    ("shared/outbox.py", "import shared.spans", {"opentelemetry"}),
    ("services/profile/actions/ordering.py", "from sqlalchemy import text", {"sqlalchemy"}),
    ("shared/outbox.py", "from sqlalchemy import text", {"sqlalchemy"}),
    ("demo/replay.py", "import services.profile.domain", {"demo"}),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of everything that the contracts speak of."""
    copy = tmp_path_factory.mktemp("tree")
    for package in ("services", "shared", "tools", "demo", "deploy"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


@contextmanager
def planted(path: Path, line: str) -> Iterator[None]:
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        yield
    finally:
        path.unlink() if before is None else path.write_text(before)


def lint(tree: Path) -> tuple[int, set[str], str]:
    """Exit code, the ids of the broken contracts, and all that was said."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    done = subprocess.run(command, cwd=tree, env={"COLUMNS": "300"}, capture_output=True, text=True, check=False)
    broken = set(re.findall(r"^(.+) BROKEN$", done.stdout, re.MULTILINE))
    return done.returncode, {key for key, name in NAMES.items() if name in broken}, done.stdout + done.stderr


def test_all_imports_keep_the_contracts(tree: Path) -> None:
    code, broken, said = lint(tree)
    assert (code, broken) == (0, set()), said
    assert f"Contracts: {len(CONTRACTS)} kept" in said


def name_of(value: str | set[str]) -> str:
    """The same in each process that collects tests, whatever order a set has there."""
    return value.removeprefix("services/") if isinstance(value, str) else "+".join(sorted(value))


@pytest.mark.parametrize(("file", "line", "expected"), PLANTED, ids=name_of)
def test_a_planted_violation_is_stopped(tree: Path, file: str, line: str, expected: set[str]) -> None:
    with planted(tree / file, line):
        code, broken, said = lint(tree)
    assert code == 1, said
    assert broken == expected, said


def test_every_contract_was_seen_to_bite() -> None:
    assert set(NAMES) == set().union(*(expected for _, _, expected in PLANTED))
