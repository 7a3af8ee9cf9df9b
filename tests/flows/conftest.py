"""Whole systems: Kafka, PostgreSQL and the ten processes, on free ports."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from deploy.local.state import Home, State

MakeSystem = Callable[[], Stack]


@pytest.fixture
def make_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeSystem]:
    """Starts systems that share one secret and one key, so that what they derive from these is the same."""
    # The shortest that a broker grants: a killed worker's partitions are free again after this.
    monkeypatch.setenv("COMEBACK_KAFKA_SESSION_SECONDS", "6")
    state, made = State(), list[Stack]()

    def make() -> Stack:
        folder = Path(tempfile.mkdtemp(prefix="comeback-system-"))
        Home(folder).save(State(secret=state.secret, api_key=state.api_key))
        stack = Stack(folder, ports="free")
        made.append(stack)
        stack.up(clock="stream")
        return stack

    yield make
    for stack in made:
        stack.reset()
        shutil.rmtree(stack.home.folder)
