"""Segment's SDKs as anybody installs them, against a whole profile of its own: Kafka, PostgreSQL, app and worker."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.sdks.proxy import Proxy, misbehaving
from tests.sdks.shop import Shop

_left_out: list[pytest.Item] = []


@pytest.fixture(scope="package")
def shop() -> Iterator[Shop]:
    folder = Path(tempfile.mkdtemp(prefix="comeback-sdks-"))
    stack = Stack(folder, ports="free")
    stack.up(clock="wall", services=["profile"])
    shop = Shop(stack)
    yield shop
    shop.http.close()
    stack.reset()
    shutil.rmtree(folder)


@pytest.fixture
def proxy(shop: Shop) -> Iterator[Proxy]:
    with misbehaving(shop.url) as found:
        yield found


@pytest.fixture
def user() -> str:
    return f"anna-{uuid.uuid4().hex[:8]}"


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    _left_out.extend(item for item in items if item.get_closest_marker("node"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left_out:
        said = f"Left out: {len(_left_out)} tests of Segment's SDKs for Node and browsers; `make test-sdks` runs them."
        terminalreporter.write_line(said)
