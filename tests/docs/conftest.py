"""A folder for a stack that the documents start."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="comeback-docs-"))
    yield folder
    Stack(folder).reset()
    shutil.rmtree(folder)
