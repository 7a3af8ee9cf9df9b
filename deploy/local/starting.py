"""Brings a stack up: ports, servers, what must be on them, services; starts only what is not running already."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from deploy.local import databases, kafka, ports, postgres, services
from deploy.local.addresses import Addresses
from deploy.local.names import PORTS, ports_of
from deploy.local.processes import Processes
from deploy.local.state import Home, State


def complete(state: State | None, free: bool) -> State:
    """A state with all ports: those it has had before, else the usual ones, or any free ones."""
    state = state or State()
    usual = dict(zip(PORTS, ports.choose_free(len(PORTS)), strict=True)) if free and not state.ports else PORTS
    state.ports = {**usual, **state.ports}
    return state


def settle_ports(state: State, processes: Processes, names: list[str], free: bool) -> None:
    """Each process that is to be started finds its ports free, or gets others if the caller allows that."""
    for name in names:
        if processes.find(name) is not None:
            continue
        for port in ports_of(name):
            if free and not ports.is_free(state.ports[port]):
                state.ports[port] = ports.choose_free(1)[0]
            ports.refuse_taken(state.ports[port], port)


@dataclass(frozen=True)
class Starter:
    home: Home
    processes: Processes
    state: State
    addresses: Addresses
    say: Callable[[str], None]

    def start_bare_servers(self) -> None:
        """With an empty database for each service."""
        with ThreadPoolExecutor() as pool:
            broker = pool.submit(self.start_kafka)
            self.start_postgres()
            run(databases.ensure(self.addresses.admin, self.state.passwords))
            broker.result()

    def start_servers(self, names: tuple[str, ...]) -> None:
        """With schemas, topics and the development key. The two servers are independent, so they start at once."""
        with ThreadPoolExecutor() as pool:
            broker = pool.submit(self.start_kafka)
            loading = pool.submit(_provision)
            self.start_postgres()
            provision: Any = loading.result()
            self.say("Databases and schemas")
            run(provision.make_databases(self.state, self.addresses))
            provision.migrate(self.addresses, names)
            run(provision.add_development_key(self.state, self.addresses, names))
            broker.result()
            self.say("Topics")
            run(provision.make_topics(self.addresses))

    def start_services(self, names: tuple[str, ...]) -> None:
        commands = services.commands(self.state, self.addresses, names)
        wanted = [command for command in commands if not self.processes.is_as_told(command)]
        self.processes.stop(wanted)  # those that run with other settings, the clock for one
        self.say(f"{len(wanted)} processes of {len(names)} services")
        for command in wanted:
            self.processes.start(command)
        services.wait_until_ready([command.name for command in commands], self.addresses, self.processes)

    def start_kafka(self) -> None:
        if not self.addresses.runs_kafka:
            return
        if self.processes.find("kafka") is None:
            self.say("Kafka")
            kafka.start(self.home, self.state, self.processes)
        kafka.wait(self.state, self.processes)

    def start_postgres(self) -> None:
        if not self.addresses.runs_postgres:
            return
        if self.processes.find("postgres") is None:
            self.say("PostgreSQL")
            postgres.start(self.home, self.state, self.processes)
        postgres.wait(self.state, self.processes)

    def clear_given_servers(self) -> None:
        """Those that are not ours: their data folders cannot simply be deleted."""
        if not self.addresses.runs_postgres:
            run(databases.drop(self.addresses.admin))
        if not self.addresses.runs_kafka:
            run(_provision().delete_topics(self.addresses))


def run(work: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: the caller may be in an event loop (tests)."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _provision() -> ModuleType:
    from deploy.local import provision  # noqa: PLC0415  takes a second, which the servers need too

    return provision
