"""Whole systems: Kafka, PostgreSQL and the ten processes, on free ports."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from deploy.local.state import Home, State

MakeSystem = Callable[[], Stack]


@pytest.fixture
def make_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSystem]:
    """Starts systems that share one secret and one key, so that what they derive from these is the same."""
    state, made = State(), list[Stack]()

    def make() -> Stack:
        folder = Path(tmp_path_factory.mktemp("system"))
        Home(folder).save(State(secret=state.secret, api_key=state.api_key))
        stack = Stack(folder, ports="free")
        made.append(stack)
        stack.up(clock="stream")
        return stack

    yield make
    for stack in made:
        stack.down()
