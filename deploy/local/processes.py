"""Detached processes with a record each: started, found again, stopped; never one that this stack did not start."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from deploy.local import unprivileged
from deploy.local.errors import StackError
from deploy.local.state import ROOT, Home

# For a process that works in batches: a batch takes megabytes and gives them back. Where the C library returned them to
# the system each time, the kernel cleared the same pages again and again: a tenth of all that PostgreSQL did, and a
# fiftieth of what a worker does.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "134217728", "MALLOC_MMAP_THRESHOLD_": "33554432"}
LOG_LIMIT = 20 * 1024 * 1024
# Waits for the word before it becomes the program: a process whose record could not be written never comes to be,
# even if whoever starts it is killed at the worst instant.
GATE = ["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate"]
_children: dict[int, subprocess.Popen[Any]] = {}  # ours to reap, when the caller outlives them (tests)


@dataclass(frozen=True)
class Command:
    """How a process is started and stopped."""

    name: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit: float = 15.0

    @property
    def digest(self) -> str:
        told = json.dumps([self.argv, sorted(self.environment.items())])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Record:
    pid: int
    birth: str
    digest: str


class Processes:
    def __init__(self, home: Home) -> None:
        self.home = home

    def find(self, name: str) -> psutil.Process | None:
        """The live process of that name. A pid that the system has given to somebody else is not ours."""
        record = self._record(name)
        if record is None:
            return None
        _reap()
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(record.pid)
            if _birth(process) == record.birth and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def is_as_told(self, command: Command) -> bool:
        """Alive, and started with this very command and environment."""
        record = self._record(command.name)
        return record is not None and record.digest == command.digest and self.find(command.name) is not None

    def start(self, command: Command) -> None:
        log = self.home.log(command.name)
        _turn_over(log)
        with log.open("ab") as output:
            child = subprocess.Popen(
                [*GATE, *command.argv],
                cwd=ROOT,
                env={**os.environ, **command.environment},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **unprivileged.as_user(command.user),
            )
        _children[child.pid] = child
        self._write_record(command.name, Record(child.pid, _birth(psutil.Process(child.pid)), command.digest))
        with contextlib.suppress(BrokenPipeError), child.stdin as gate:  # type: ignore[union-attr]  # it is a PIPE
            gate.write(b"go\n")

    def stop(self, commands: list[Command]) -> None:
        """All of them at once: asked first, and killed when the limit has passed."""
        asked = [(command, self.find(command.name)) for command in commands]
        for command, process in asked:
            _signal(process, command.stop_signal)
        for command, process in asked:
            self._await_end(command, process)
            self._path(command.name).unlink(missing_ok=True)

    def kill(self, name: str, number: signal.Signals) -> None:
        _signal(self.find(name), number)

    def wait_until(self, name: str, ready: Callable[[], bool], limit: float) -> None:
        """Until `ready` says so; a process that ends before that is an error which names its log."""
        end = time.monotonic() + limit
        while True:
            if self.find(name) is None:
                raise StackError(f"{name} stopped while starting: {self._last_words(name)}")
            if ready():
                return
            if time.monotonic() > end:
                raise StackError(f"{name} was not ready within {limit:.0f} s: {self._last_words(name)}")
            time.sleep(0.05)

    def _await_end(self, command: Command, process: psutil.Process | None) -> None:
        end = time.monotonic() + command.stop_limit
        while self.find(command.name) is not None:
            if time.monotonic() > end:
                _signal(process, signal.SIGKILL)
            time.sleep(0.02)

    def _last_words(self, name: str) -> str:
        log = self.home.log(name)
        with contextlib.suppress(OSError):
            lines = [line for line in log.read_text(errors="replace").splitlines()[-50:] if line.strip()]
            if lines:
                return f"`{lines[-1].strip()[:300]}`. The whole log is {log}"
        return f"its log is {log}"

    def _record(self, name: str) -> Record | None:
        try:
            return Record(*json.loads(self._path(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _write_record(self, name: str, record: Record) -> None:
        draft = self._path(name).with_suffix(".new")
        draft.write_text(json.dumps(astuple(record)))
        draft.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self.home.run / f"{name}.json"


def _reap() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            _children.pop(pid, None)


def _birth(process: psutil.Process) -> str:
    """When it was born, in terms that do not move when the wall clock is set."""
    with contextlib.suppress(FileNotFoundError):
        ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{ticks}@{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
    return str(process.create_time())


def _signal(process: psutil.Process | None, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        if process is not None:
            process.send_signal(number)


def _turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
