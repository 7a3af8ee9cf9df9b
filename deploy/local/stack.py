"""The stack as an object: what `comeback stack` and the tests start, look at and stop."""

import contextlib
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

from deploy.local import kafka, postgres, services, starting
from deploy.local.addresses import Addresses, Given
from deploy.local.errors import StackError
from deploy.local.names import PROCESSES, SERVERS, SERVICES
from deploy.local.processes import Command, Processes
from deploy.local.starting import Starter
from deploy.local.state import Home, State

Clock = Literal["wall", "stream"]
# By name: the folder may hold other things.
WIPED = ("kafka", "postgres", "logs", "run", "imports", "stack.json", "secret")


@dataclass(frozen=True)
class ProcessStatus:
    name: str
    pid: int | None
    port: int | None
    memory_bytes: int = 0
    uptime_seconds: float = 0.0

    @property
    def is_up(self) -> bool:
        return self.pid is not None


class Stack:
    """One folder, one stack: two of them run beside each other when their ports differ (`ports="free"`)."""

    def __init__(
        self,
        home: Path,
        ports: Literal["fixed", "free"] = "fixed",
        given: Given | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = Home(home.resolve())
        self.processes = Processes(self.home)
        self._free_ports = ports == "free"
        self._given = given or Given()
        self._say = say

    def up(self, clock: Clock | None = None, services: Iterable[str] | None = None) -> None:
        """Starts what is not running, or runs with other settings; returns when every service says it is ready.

        The clock stays what it was unless told (`wall` at first)."""
        names = tuple(services or SERVICES)
        with self.home.lock():
            starter = self._prepare(clock, [*SERVERS, *names])
            starter.start_servers(names)
            starter.start_services(names)

    def up_servers(self) -> None:
        """Kafka, PostgreSQL and the services' empty databases: no topics, no tables, no services."""
        with self.home.lock():
            self._prepare(None, [*SERVERS]).start_bare_servers()

    def start(self, name: str) -> None:
        """One process that is not running, by its name; of a service, without waiting until it is ready."""
        starter = self._starter(self._known_state())
        if name == "kafka":
            starter.start_kafka()
        elif name == "postgres":
            starter.start_postgres()
        elif self.processes.find(name) is None:
            self.processes.start(self.command(name))

    def command(self, name: str) -> Command:
        """How a service's process is started: for tests that start one otherwise, or another one beside it."""
        state = self._known_state()
        found = services.commands(state, self._addresses(state))
        return next(command for command in found if command.name == name)

    def another(self, name: str, number: int) -> Command:
        """How one more worker of a service is started, under this number; the port of figures is the first one's."""
        command = self.command(name)
        quiet = {each: value for each, value in command.environment.items() if each != services.METRICS_PORT}
        return replace(command, name=f"{name}-{number}", environment=quiet)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        self.processes.kill(name, number)

    def wait_until_ready(self, *names: str) -> None:
        """Of all services unless some of their processes are named."""
        wanted = names or tuple(name for name in PROCESSES if name not in SERVERS)
        services.wait_until_ready(list(wanted), self._addresses(self._known_state()), self.processes)

    def down(self) -> None:
        """Services first, then Kafka, then PostgreSQL; only processes that this stack has started."""
        with self.home.lock():
            self._stop_all()

    def reset(self) -> None:
        """Down, and everything forgotten: databases, topics, keys, ports, logs."""
        with self.home.lock():
            self._stop_all()
            if (state := self.home.load_if_sound()) is not None:
                self._starter(state).clear_given_servers()
            for name in WIPED:
                path = self.home.folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def status(self) -> list[ProcessStatus]:
        state = starting.complete(self.home.load(), free=False)
        return [self._status(name, state) for name in self._own_processes(state)]

    @property
    def admin_url(self) -> str:
        """The address of an administrator's database: for tests and checks that make databases of their own."""
        return self._addresses(self._known_state()).admin

    @property
    def secret(self) -> str:
        """What ids, codes and the seals of keys are made with."""
        return self._known_state().secret

    def environment(self) -> dict[str, str]:
        return self._addresses(self._known_state()).environment()

    def _prepare(self, clock: Clock | None, names: list[str]) -> Starter:
        state = starting.complete(self.home.load(), self._free_ports)
        state.clock = clock or state.clock
        own = [name for name in self._own_processes(state) if name in names]
        starting.settle_ports(state, self.processes, own, self._free_ports)
        self.home.save(state)
        return self._starter(state)

    def _starter(self, state: State) -> Starter:
        return Starter(self.home, self.processes, state, self._addresses(state), self._say)

    def _addresses(self, state: State) -> Addresses:
        return Addresses(state, self._given)

    def _known_state(self) -> State:
        state = self.home.load()
        if state is None:
            raise StackError(f"There is no stack in {self.home.folder}: start one with `comeback stack up`.")
        return state

    def _own_processes(self, state: State) -> list[str]:
        addresses = self._addresses(state)
        absent = {"kafka": not addresses.runs_kafka, "postgres": not addresses.runs_postgres}
        return [name for name in PROCESSES if not absent.get(name)]

    def _stop_all(self) -> None:
        self._say("Services")
        self.processes.stop(services.stopping())
        self._say("Kafka")
        self.processes.stop([kafka.stopping()])
        self._say("PostgreSQL")
        self.processes.stop([postgres.stopping()])

    def _status(self, name: str, state: State) -> ProcessStatus:
        port = state.ports.get(name)
        with contextlib.suppress(psutil.Error):
            if (process := self.processes.find(name)) is not None:
                uptime = time.time() - process.create_time()
                return ProcessStatus(name, process.pid, port, memory_of(process), uptime)
        return ProcessStatus(name, None, port)


def memory_of(process: psutil.Process) -> int:
    """Its own and its children's, what they share counted once where the system tells (Linux)."""
    total = 0
    family = [process]
    with contextlib.suppress(psutil.Error):
        family += process.children(recursive=True)
    for each in family:
        with contextlib.suppress(psutil.Error):
            total += getattr(each.memory_full_info(), "pss", 0) or each.memory_info().rss
    return total
