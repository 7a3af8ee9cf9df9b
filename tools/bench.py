"""`comeback bench`: programs that measure, as JSON with the machine, the versions and the commit."""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
import uvloop

from demo.figures import compare
from demo.history import load_history
from demo.reference import compute
from demo.replay import Replay
from demo.storefront import Doors, Http
from deploy.local.stack import Stack
from tools.output import err, out

app = typer.Typer(help="Measure on this machine; no test ever asserts a time.", no_args_is_help=True)

RESULTS = Path("bench-results")
MIB = 1024 * 1024


@app.callback()
def benches() -> None:
    """Measure on this machine; no test ever asserts a time."""


@app.command()
def replay(
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Where to write; bench-results/ if not said.")
    ] = None,
) -> None:
    """B9: a year of real orders through all services, on a stack of its own; exit code 1 if a figure differs."""
    with _own_stack() as (stack, ready):
        idle = _resident_mib(stack)
        before = _cpu_seconds(stack)
        doors = Doors.of(stack.environment())
        with err.status("Replaying ..."):
            found = uvloop.run(_replay(doors))
        after = _cpu_seconds(stack)
        found |= {
            "ready_seconds": ready,
            "first_coupon_seconds": ready + found.pop("first_coupon"),
            "idle_resident_mib": idle,
            "resident_mib": _resident_mib(stack),
            "cpu_seconds": {name: round(after[name] - before[name], 1) for name in after},
        }
    _write("replay", found, json_file)
    raise typer.Exit(1 if found["differing"] else 0)


async def _replay(doors: Doors) -> dict[str, Any]:
    history = load_history()
    played = await Replay(history, doors).run()
    orders = sum(len(day.baskets) for day in history.days)
    http = Http(doors)
    figures = await compare(http, played, compute())
    await http.close()
    return {
        "seconds": round(played.seconds, 1),
        "first_coupon": round(played.first_coupon_seconds or 0, 1),
        "events_per_second": round(orders / played.seconds),
        "orders": orders,
        "ticks": len(history.ticks_us),
        "differing": sum(not figure.equal for figure in figures),
    }


@contextmanager
def _own_stack() -> Iterator[tuple[Stack, float]]:
    """A system on free ports in a temporary folder, and the seconds it took to be ready."""
    with tempfile.TemporaryDirectory(prefix="comeback-bench-") as folder:
        stack = Stack(Path(folder), ports="free")
        started = time.perf_counter()
        try:
            with err.status("Starting ..."):
                stack.up(clock="stream")
            yield stack, round(time.perf_counter() - started, 1)
        finally:
            stack.reset()


def _resident_mib(stack: Stack) -> int:
    return sum(each.memory_bytes for each in stack.status()) // MIB


def _cpu_seconds(stack: Stack) -> dict[str, float]:
    """User and system time of each process and its children, those that have ended too."""
    found: dict[str, float] = {}
    for each in stack.status():
        if each.pid is not None:
            process = psutil.Process(each.pid)
            own = [process, *process.children(recursive=True)]
            ended = process.cpu_times()
            found[each.name] = sum(p.cpu_times().user + p.cpu_times().system for p in own)
            found[each.name] += ended.children_user + ended.children_system
    return found


def _write(name: str, found: dict[str, Any], path: Path | None) -> None:
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
