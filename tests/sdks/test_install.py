"""What `make test-sdks` says when something is missing that it may not, or cannot, install; and its lock."""

import os
import shutil
from pathlib import Path

import pytest

from tests.sdks import install


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has only what a test puts into this folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("COMEBACK_CHROMIUM", raising=False)
    return tmp_path


def _put(machine: Path, name: str, script: str = "exit 1") -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n")
    (machine / name).chmod(0o755)


def test_without_root_it_says_who_may_install_a_chromium(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(machine, "apt-get")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(install.Missing, match="only root may install it: `sudo apt-get install chromium`"):
        install.install_chromium()


def test_a_chromium_that_is_there_or_named_is_taken(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(install.Missing, match="COMEBACK_CHROMIUM"):
        install.install_chromium()
    _put(machine, "chromium")
    install.install_chromium()
    assert install.find_chromium() == shutil.which("chromium")
    monkeypatch.setenv("COMEBACK_CHROMIUM", "/opt/other")
    assert install.find_chromium() == "/opt/other"


def test_a_node_that_is_missing_or_too_old_is_named(machine: Path) -> None:
    with pytest.raises(install.Missing, match="Node 20 or newer with npm"):
        install.check_node()
    _put(machine, "npm")
    _put(machine, "node", "echo v18.19.0")
    with pytest.raises(install.Missing, match=r"this is v18\.19\.0"):
        install.check_node()


def test_the_lock_names_hashes_and_no_place_to_download_from() -> None:
    lock = (install.FOLDER / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == lock.count('"node_modules/')
