"""One running system that may be ill-treated: its processes, what restarts them, and how far the world has come."""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy.local.names import SERVICES
from deploy.local.processes import Command
from deploy.local.stack import Stack
from deploy.local.state import Home, State

WORKERS = tuple(f"{service}-worker" for service in SERVICES)
PROCESSES = (*SERVICES, *WORKERS)
SESSION = 6  # seconds; the shortest that a broker grants: a killed worker's partitions are free again after this
_AGAIN = 1.0


# Every process that is started belongs to its group no longer than it must, and a tick is soon divided.
_TOLD = {"COMEBACK_KAFKA_SESSION_SECONDS": str(SESSION), "COMEBACK_TICK_PIECE": "4"}


@contextmanager
def told() -> Iterator[None]:
    """Whatever is started in the block finds these in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _TOLD.items():
            patch.setenv(name, value)
        yield


@contextmanager
def new_stack(state: State) -> Iterator[Stack]:
    """A system with the secret and the key of `state`, so that all derive the same from these."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-chaos-"))
    Home(folder).save(State(secret=state.secret, api_key=state.api_key))
    stack = Stack(folder, ports="free")
    try:
        with told():
            stack.up(clock="stream")
            yield stack
    finally:
        stack.reset()
        shutil.rmtree(folder)


class Platform:
    """What Kubernetes would do: a process of a service that has ended is started again, unless it is to be down."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.down: set[str] = set()
        self.armed: dict[str, str] = {}
        self.starts: Counter[str] = Counter()
        self.extra: list[Command] = []
        self._started: dict[str, float] = {}

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._stack.processes.stop(self.extra)

    async def _watch(self) -> None:
        while True:
            for name in PROCESSES:
                if name not in self.down and self._stack.processes.find(name) is None:
                    self._start(name)
            await asyncio.sleep(0.1)

    def _start(self, name: str) -> None:
        if time.monotonic() < self._started.get(name, 0) + _AGAIN:
            return
        self._started[name] = time.monotonic()
        self.starts[name] += 1
        command = self._stack.command(name)
        told = {"COMEBACK_FAILPOINT": self.armed.pop(name, "")}
        self._stack.processes.start(replace(command, environment=command.environment | told))

    def add(self, worker: str, number: int) -> str:
        """Another one beside it; its name."""
        another = self._stack.another(worker, number)
        log = self._stack.home.log(another.name)
        if log.exists():  # of an earlier one: faults look for what this one says
            log.replace(log.with_suffix(f".{time.monotonic_ns()}.log"))
        self._stack.processes.start(another)
        self.extra.append(another)
        return another.name

    async def stop(self, *names: str) -> None:
        """Asked to end, as a rolling update does, and not started again; extra workers are then gone for good."""
        self.down.update(name for name in names if name in PROCESSES)
        commands = [Command(name, [], stop_limit=10) for name in names]
        await asyncio.to_thread(self._stack.processes.stop, commands)
        self.extra = [each for each in self.extra if each.name not in names]


@dataclass
class Ground:
    """What a fault has to work with during its episode."""

    stack: Stack
    platform: Platform
    dice: random.Random
    # Tells a day's events without its end; days are counted from the episode's first, which is 0.
    tell: Callable[[int], Awaitable[None]]
    released: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    passed: int = 0

    def release(self, days: int) -> None:
        """Lets the world go on by so many days; what a fault does not release follows when it is over."""
        for _ in range(days):
            self.released.release()

    async def until_passed(self, days: int) -> None:
        await self.until(lambda: self.passed >= days, f"{days} days have passed")

    async def until(self, holds: Callable[[], bool], what: str, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:.0f} s: {what}")
            await asyncio.sleep(0.05)

    def log_of(self, name: str, since: int = 0) -> str:
        path = self.stack.home.log(name)
        return path.read_bytes()[since:].decode(errors="replace") if path.exists() else ""

    def log_size(self, name: str) -> int:
        path = self.stack.home.log(name)
        return path.stat().st_size if path.exists() else 0

    def a_moment(self, seconds: float = 1.0) -> float:
        return self.dice.uniform(0.05, seconds)

    async def command(self, *words: str) -> str:
        """What a `comeback` command prints; it must succeed."""
        environment = {**os.environ, "COMEBACK_HOME": str(self.stack.home.folder)}
        argv = [sys.executable, "-m", "tools.main", *words]
        process = await asyncio.create_subprocess_exec(
            *argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise AssertionError(f"comeback {' '.join(words)} ended with {process.returncode}: {said.decode()}")
        return said.decode()
