"""The ten processes of the five services: their commands, and when they are ready."""

import sys
import urllib.error
import urllib.request
from functools import partial

from deploy.local.addresses import Addresses
from deploy.local.names import PROCESSES, SERVERS, SERVICES
from deploy.local.ports import HOST
from deploy.local.processes import KEEP_MEMORY, Command, Processes
from deploy.local.state import State

READY_LIMIT = 60.0
STOP_LIMIT = 10.0
METRICS_PORT = "COMEBACK_METRICS_PORT"


def commands(state: State, addresses: Addresses, services: tuple[str, ...] = SERVICES) -> list[Command]:
    return [_command(service, role, state, addresses) for service in services for role in ("app", "worker")]


def stopping() -> list[Command]:
    return [Command(name, [], stop_limit=STOP_LIMIT) for name in PROCESSES if name not in SERVERS]


def wait_until_ready(names: list[str], addresses: Addresses, processes: Processes) -> None:
    """Every HTTP process says that it is ready; a worker, which cannot say so, is still there by then."""
    for name in names:
        service, _, worker = name.partition("-")
        url = None if worker else f"{addresses.http(service)}/health/ready"
        processes.wait_until(name, partial(_is_ready, url), READY_LIMIT)


def _command(service: str, role: str, state: State, addresses: Addresses) -> Command:
    environment = {
        "COMEBACK_SERVICE": service,
        "COMEBACK_DATABASE_URL": addresses.database(service),
        "COMEBACK_KAFKA_BOOTSTRAP": addresses.kafka,
        "COMEBACK_HTTP_HOST": HOST,
        "COMEBACK_HTTP_PORT": str(state.ports[service]),
        "COMEBACK_SECRET": state.secret,
        "COMEBACK_CLOCK": state.clock,
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc's arenas, one for each thread, would add megabytes to each of ten processes
    }
    name = service if role == "app" else f"{service}-{role}"
    if role == "worker":
        environment |= {METRICS_PORT: str(state.ports[name]), **KEEP_MEMORY}
    return Command(name, [sys.executable, "-m", f"services.{service}.{role}"], environment, stop_limit=STOP_LIMIT)


def _is_ready(url: str | None) -> bool:
    if url is None:
        return True
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
