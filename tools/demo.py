"""`comeback demo` and `comeback replay`: a year of real orders through the running system, every figure compared."""

import asyncio
import time
from typing import Any

import typer
import uvloop
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.figures import Figure, compare
from demo.history import load_history
from demo.reference import Reference, compute
from demo.replay import Played, Replay
from demo.storefront import Doors, Http, Refused
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from tools.asking import the_stack
from tools.output import err, out

GROUPS = {
    "totals": "",
    "months": "orders, active customers, sales in cents; New York time",
    "campaigns": "targeted, issued, redeemers, redemptions, rate so far, matured, orders, sales, platform, merchant",
    "lifecycle": "new, rising, mature, declining, silent, churned",
    "recall": "",
}


def demo() -> None:
    """Start everything afresh, replay 2017 through it, compare every figure; exit code 1 if one differs."""
    started = time.perf_counter()
    with err.status("Starting ...") as line:
        stack = the_stack(lambda what: line.update(f"Starting: {what} ..."))
        stack.reset()
        stack.up(clock="stream")
    ready = time.perf_counter() - started
    differing = _replay(stack, ready)
    _where_next(stack)
    raise typer.Exit(1 if differing else 0)


def _replay(stack: Stack, ready: float) -> int:
    """Prints the table; how many figures differ."""
    doors = Doors.of(stack.environment())
    try:
        played, figures = uvloop.run(_play(doors))
    except (Refused, TimeoutError) as error:
        reason = str(error) or "the system did not go on within two minutes"
        raise StackError(f"The replay broke off: {reason}. The logs are in {stack.home.logs}") from error
    _print(figures)
    differing = sum(not figure.equal for figure in figures)
    verdict = f"[red]{differing} differ[/red]" if differing else "[green]all equal[/green]"
    out.print(f"\n{len(figures)} lines of figures compared: {verdict}.")
    coupon = (
        f", the first coupon after {ready + played.first_coupon_seconds:.1f} s" if played.first_coupon_seconds else ""
    )
    out.print(f"Ready after {ready:.1f} s{coupon}; the replay took {played.seconds:.1f} s.")
    return differing


async def _play(doors: Doors) -> tuple[Played, list[Figure]]:
    reference = asyncio.create_task(asyncio.to_thread(compute))
    history = await asyncio.to_thread(load_history)
    orders = sum(len(day.baskets) for day in history.days)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} orders"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("2016-11-14", total=orders)
        played = await Replay(
            history, doors, lambda at, told: progress.update(task, completed=told, description=f"{at:%Y-%m-%d}")
        ).run()
    return played, await _compare(doors, played, await reference)


async def _compare(doors: Doors, played: Played, reference: Reference) -> list[Figure]:
    http = Http(doors)
    try:
        return await compare(http, played, reference)
    finally:
        await http.close()


def _print(figures: list[Figure]) -> None:
    for group, meaning in GROUPS.items():
        table = Table(
            title=f"{group}{f': {meaning}' if meaning else ''}", title_justify="left", box=None, pad_edge=False
        )
        for title in ("", "Comeback says", "reference", ""):
            table.add_column(title, overflow="fold")
        for figure in figures:
            if figure.group == group:
                mark = "[green]equal[/green]" if figure.equal else "[red]DIFFERS[/red]"
                table.add_row(figure.name, str(figure.found), str(figure.expected), mark)
        out.print()
        out.print(table)


def _where_next(stack: Stack) -> None:
    environment: dict[str, Any] = stack.environment()
    out.print("\nIt goes on running; `make stop` ends it. Where to look next:")
    for name in ("profile", "segmentation", "targeting", "coupons", "metrics"):
        out.print(f"  {name:<13} {environment[f'COMEBACK_{name.upper()}_URL']}/docs", soft_wrap=True)
    out.print(f"  API key       {environment['COMEBACK_API_KEY']}", soft_wrap=True)
    out.print('  shell         eval "$(.venv/bin/comeback stack env)"; then, for example:')
    out.print(
        '                curl -H "Authorization: Bearer $COMEBACK_API_KEY" $COMEBACK_METRICS_URL/v1/metrics/overview'
    )
    out.print(f"  logs          {stack.home.logs}", soft_wrap=True)
