"""What every bench needs: a system of its own, CPU seconds and memory by process, and the JSON it ends in."""

import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from deploy.local.names import PROCESSES, SERVICES
from deploy.local.processes import Command
from deploy.local.stack import Clock, Stack, memory_of
from tools.output import err, out

RESULTS = Path("bench-results")
MIB = 1024 * 1024


@contextmanager
def own_stack(clock: Clock = "stream") -> Iterator[tuple[Stack, float]]:
    """A system on free ports in a temporary folder, and the seconds it took to be ready."""
    with tempfile.TemporaryDirectory(prefix="comeback-bench-") as folder:
        stack = Stack(Path(folder), ports="free")
        started = time.perf_counter()
        try:
            with err.status("Starting ..."):
                stack.up(clock=clock)
            yield stack, round(time.perf_counter() - started, 1)
        finally:
            stack.reset()


@contextmanager
def another_workers(stack: Stack, services: Iterable[str], count: int) -> Iterator[list[Command]]:
    """How the second and further workers of services are started; those that were are stopped at the end."""
    numbers = range(2, count + 1)
    found = [stack.another(f"{service}-worker", number) for service in services for number in numbers]
    try:
        yield found
    finally:
        stack.processes.stop(found)


def stop_workers(stack: Stack) -> None:
    """Returns when they are gone: what comes in from then on waits in Kafka."""
    for service in SERVICES:
        stack.kill(f"{service}-worker", signal.SIGTERM)
    while any(stack.processes.find(f"{service}-worker") for service in SERVICES):
        time.sleep(0.05)


def resident_mib(stack: Stack, others: Iterable[Command] = (), names: Iterable[str] = PROCESSES) -> dict[str, int]:
    """By process, these of the stack's and the `others`; what it shares with others counted in part."""
    return {name: memory_of(process) // MIB for name, process in _processes(stack, others, names)}


def cpu_seconds(stack: Stack, others: Iterable[Command] = ()) -> dict[str, float]:
    """User and system time of each process and its children, those that have ended too."""
    found: dict[str, float] = {}
    for name, process in _processes(stack, others):
        with suppress(psutil.NoSuchProcess):
            found[name] = _cpu_of(process)
    return found


def _processes(
    stack: Stack, others: Iterable[Command], names: Iterable[str] = PROCESSES
) -> Iterator[tuple[str, psutil.Process]]:
    """Those that run, these of the stack's and the `others`, by name."""
    for name in [*names, *(each.name for each in others)]:
        if (process := stack.processes.find(name)) is not None:
            yield name, process


def _cpu_of(process: psutil.Process) -> float:
    ended = process.cpu_times()
    seconds = ended.children_user + ended.children_system
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            seconds += times.user + times.system
    return seconds


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by process between two looks."""
    return {name: round(after[name] - before.get(name, 0), 2) for name in after}


def percentile(sorted_values: list[float], share: float) -> float:
    """The first value that this share of them stays below."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def write(name: str, found: dict[str, Any], path: Path | None) -> None:
    result = {"bench": name, **found, **_machine()}
    path = path or RESULTS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    out.print_json(data=result)
    err.print(f"written to {path}")


def _machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {psutil.virtual_memory().total // MIB // 1024} GiB",
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "versions": {name: version(name) for name in ("aiokafka", "asyncpg", "sqlalchemy", "fastapi", "msgspec")},
        "commit": commit.stdout.strip(),
    }
