"""A TypeScript client that nobody here wrote, generated from the committed contracts, against a running system."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.local.state import ROOT

SOURCES = Path(__file__).parent / "typescript"
LOCK = SOURCES / "package-lock.json"


def npm(folder: Path, *words: str, **environment: str) -> str:
    """What it printed; fails with its own words."""
    known = {**os.environ, "CONTRACTS": str(ROOT / "docs" / "contracts" / "openapi"), **environment}
    done = subprocess.run(["npm", *words], cwd=folder, env=known, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"npm {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with what package-lock.json names, and the clients' types generated."""
    assert shutil.which("npm"), "this test needs Node 20 or newer with npm, and there is no npm"
    names = shutil.ignore_patterns("node_modules", "generated", "built")
    folder = shutil.copytree(SOURCES, tmp_path_factory.mktemp("clients") / "typescript", ignore=names)
    npm(folder, "ci", "--no-audit", "--no-fund")
    npm(folder, "run", "generate")
    return folder


@pytest.mark.node
def test_a_generated_typescript_client_takes_an_order_to_its_coupon_and_its_figures(
    folder: Path, system: dict[str, str]
) -> None:
    npm(folder, "run", "build")
    said = npm(folder, "run", "--silent", "start", **system)
    assert json.loads(said) == {
        "stage": "new",
        "discount": 500,
        "issued": 1,
        "redemptions": 1,
        "subsidy": 500,
        "refused": [404, "coupon-not-found"],
    }


@pytest.mark.node
def test_the_compiler_refuses_a_field_that_the_contracts_do_not_have(folder: Path) -> None:
    shop = folder / "shop.ts"
    shop.write_text((SOURCES / "shop.ts").read_text().replace('kind: "typescript', 'sort: "typescript'))
    with pytest.raises(AssertionError, match="'sort' does not exist in type"):
        npm(folder, "run", "build")
    shutil.copy(SOURCES / "shop.ts", shop)


def test_the_lock_says_what_to_install_and_not_from_where() -> None:
    packages = json.loads(LOCK.read_text())["packages"]
    assert [name for name, each in packages.items() if name and "integrity" not in each] == []
    assert not re.search(r'"resolved"', LOCK.read_text())
