"""`comeback stack`: the local stack, started, looked at, stopped."""

import asyncio
import shlex
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table

from deploy.local.addresses import Given
from deploy.local.errors import StackError
from deploy.local.names import PROCESSES
from deploy.local.stack import ProcessStatus, Stack
from deploy.local.state import default_home
from tools.following import follow
from tools.gauges import Gauges, table_of
from tools.output import complain, err, out

app = typer.Typer(help="The whole system on this machine: Kafka, PostgreSQL and the services.", no_args_is_help=True)

MIB = 1024 * 1024


class Clock(StrEnum):
    wall = "wall"
    stream = "stream"


@app.command()
def up(
    clock: Annotated[
        Clock | None, typer.Option(help="What makes time pass: the wall clock, or a replay. Unless told: as before.")
    ] = None,
    free_ports: Annotated[bool, typer.Option(help="Take any free ports where the usual ones are not.")] = False,
) -> None:
    """Start everything that is not running, and wait until it is ready."""
    with _stack("Starting", free_ports) as stack:
        stack.up(clock=clock.value if clock else None)
    for name, value in stack.environment().items():
        if name.endswith("_URL") and not any(word in name for word in ("DATABASE", "WORKER")):
            out.print(f"{name.removeprefix('COMEBACK_').removesuffix('_URL').lower():<13} {value}/docs")
    out.print("[dim]`comeback stack env` prints addresses and the API key as shell lines.[/dim]")


@app.command()
def down() -> None:
    """Stop everything that was started here; the data stays."""
    with _stack("Stopping") as stack:
        stack.down()


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False) -> None:
    """Stop everything and delete its data."""
    home = default_home()
    if not yes:
        typer.confirm(f"Delete all data of the stack in {home}?", abort=True, err=True)
    with _stack("Resetting") as stack:
        stack.reset()


@app.command()
def status(
    watching: Annotated[bool, typer.Option("--watch", "-w", help="Show it anew every second, until Ctrl-C.")] = False,
) -> None:
    """Show the processes, and how each service stands; exit code 1 if a process is down.

    behind: records of its topics that it has not applied yet. outbox: rows that wait to be published, and since when.
    parked: events that could not be applied. partitions: those it reads."""
    stack = Stack(default_home(), given=Given.from_environment())
    if watching:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(stack))
        return
    found = stack.status()
    out.print(asyncio.run(_look_once(stack, found)))
    if not all(each.is_up for each in found):
        complain("Not everything is up: `comeback stack up` starts what is down.")
        raise typer.Exit(1)


async def _look_once(stack: Stack, found: list[ProcessStatus]) -> Group:
    async with aclosing(Gauges()) as gauges:
        return await _picture(stack, found, gauges)


async def _watch(stack: Stack) -> None:
    async with aclosing(Gauges()) as gauges:
        # Higher than the terminal it would be cut off, and the last lines are the services.
        with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
            while True:
                live.update(await _picture(stack, stack.status(), gauges), refresh=True)
                await asyncio.sleep(1)


async def _picture(stack: Stack, found: list[ProcessStatus], gauges: Gauges) -> Group:
    try:
        environment = stack.environment()
    except StackError:
        return Group(_table(found))  # nothing was ever started
    kafka_is_down = any(each.name == "kafka" and not each.is_up for each in found)
    return Group(_table(found), "", table_of(await gauges.read(environment, ask_kafka=not kafka_is_down)))


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="A process, as `status` names it; all of them if none.")] = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they grow.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each.")] = 20,
) -> None:
    """Print the last lines of the logs."""
    if name is not None and name not in PROCESSES:
        raise typer.BadParameter(f"there is no process {name}; there are {', '.join(PROCESSES)}")
    home = Stack(default_home()).home
    paths = {each: home.log(each) for each in ([name] if name else PROCESSES) if home.log(each).exists()}
    follow(paths, lines, following)


@app.command()
def env() -> None:
    """Print addresses, databases and the API key as shell lines: eval "$(comeback stack env)"."""
    for name, value in Stack(default_home(), given=Given.from_environment()).environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@contextmanager
def _stack(doing: str, free_ports: bool = False) -> Iterator[Stack]:
    """With a line on the terminal that says what is being waited for."""
    with err.status(f"{doing} ...") as line:
        yield Stack(
            default_home(),
            ports="free" if free_ports else "fixed",
            given=Given.from_environment(),
            say=lambda what: line.update(f"{doing}: {what} ..."),
        )


def _table(found: list[ProcessStatus]) -> Table:
    total = sum(each.memory_bytes for each in found) // MIB
    table = Table(show_footer=True, box=None, pad_edge=False)
    table.add_column("process", footer="all")
    for title, footer in (("pid", ""), ("state", ""), ("port", ""), ("MiB", str(total)), ("up for", "")):
        table.add_column(title, footer=footer, justify="left" if title == "state" else "right")
    for each in found:
        table.add_row(each.name, *_cells(each))
    return table


def _cells(each: ProcessStatus) -> tuple[str, ...]:
    port = str(each.port or "")
    if not each.is_up:
        return "", "[red]down[/red]", port, "", ""
    seconds = int(each.uptime_seconds)
    uptime = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return str(each.pid), "[green]up[/green]", port, str(each.memory_bytes // MIB), uptime
