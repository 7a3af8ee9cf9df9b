"""One running system for all clients that are generated from the contracts."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.stack import Stack

_left_out: list[pytest.Item] = []
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


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    here = str(Path(__file__).parent)
    _left_out.extend(item for item in items if item.get_closest_marker("node") and str(item.path).startswith(here))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left_out:
        said = f"Left out: {len(_left_out)} tests of the TypeScript client; `make test-clients` runs them (Node >= 20)."
        terminalreporter.write_line(said)
