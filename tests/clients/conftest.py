"""One running system for all clients that are generated from the contracts."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack

SERVICES = ("profile", "segmentation", "targeting", "coupons", "metrics")


@pytest.fixture(scope="session")
def system() -> Iterator[dict[str, str]]:
    """What `comeback stack env` says of it: addresses and a key."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-clients-"))
    stack = Stack(folder, ports="free")
    stack.up(clock="wall")
    yield stack.environment()
    stack.reset()
    shutil.rmtree(folder)
