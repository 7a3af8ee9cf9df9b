"""Free and taken TCP ports of this machine."""

import contextlib
import random
import socket
from itertools import islice

import psutil

from deploy.local.errors import StackError

HOST = "127.0.0.1"
# Linux gives the ports from 32768 on to whoever calls out, other systems those from 49152 on: a server there that is
# down for a moment would find its port taken by somebody's call.
_SERVERS = range(20_000, 32_768)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = HOST) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


def choose_free(count: int) -> list[int]:
    """So many, no two the same, from a range that no system gives to those who call out."""
    shuffled = random.SystemRandom().sample(_SERVERS, len(_SERVERS))
    found = list(islice(filter(is_free, shuffled), count))
    if len(found) < count:
        raise StackError(f"Of the ports {_SERVERS.start} to {_SERVERS.stop - 1} not even {count} are free.")
    return found


def refuse_taken(port: int, purpose: str) -> None:
    if not is_free(port):
        raise StackError(
            f"Port {port} (for {purpose}) is taken by {_holder(port)}: stop that, "
            "or let the stack choose other ports with `comeback stack up --free-ports`."
        )


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f"`{psutil.Process(connection.pid).name()}` (process {connection.pid})"
    return "another program"
