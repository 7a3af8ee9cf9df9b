"""I15, as far as it shows from outside: connections, memory and open files of the services."""

from contextlib import suppress
from dataclasses import dataclass

import psutil

from deploy.local.names import SERVERS, SERVICES
from tools.verify.checks import Check, Finding, Within
from tools.verify.system import View

_MIB = 1024 * 1024
_MEMORY = 200
_FILES = 256


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of the services that run on this machine."""

    invariant: str = "I15"
    what: str = f"each process of a service here has at most {_MEMORY} MiB and {_FILES} open files"

    async def run(self, view: View) -> Finding:
        compared = 0
        for process in view.stack.status():
            if process.pid is None or process.name in SERVERS:
                continue
            compared += 1
            memory = process.memory_bytes // _MIB
            if memory > _MEMORY:
                return Finding(compared, f"{process.name}: {memory} MiB")
            with suppress(psutil.Error):
                files = psutil.Process(process.pid).num_fds()
                if files > _FILES:
                    return Finding(compared, f"{process.name}: {files} open files")
        return Finding(compared) if compared else Finding(skipped="none runs here")


def checks() -> list[Check]:
    return [
        Within(
            "I15",
            "no connection has had a transaction open for longer than --max-age",
            SERVICES,
            """SELECT pid, state, wait_event, left(query, 200) AS query,
                      coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8 AS seconds
               FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND backend_type = 'client backend'""",
            "seconds > current_setting('comeback.max_age')::float8",
        ),
        Processes(),
    ]
