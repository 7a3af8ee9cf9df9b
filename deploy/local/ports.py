"""Free and taken TCP ports of this machine."""

import contextlib
import socket

import psutil

from deploy.local.errors import StackError

HOST = "127.0.0.1"


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
    """Held all at once, so that no two are the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


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
