"""`comeback verify`: whether what we promise of the data holds, on a system that runs or stands."""

import asyncio
import json
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import asyncpg
import typer
from rich.progress import Progress
from rich.table import Table

from deploy.local.errors import StackError
from shared.kafka import KafkaError
from tools.asking import the_stack
from tools.output import err, out
from tools.verify import coupons, facts, figures, positions, rebuilt, resources, sums
from tools.verify.checks import Check, Finding
from tools.verify.rebuilding import REBUILT
from tools.verify.system import View, look

# What takes a second system.
_UNLESS_REBUILT = {"I6": "tables = tables rebuilt from the log from scratch: `--rebuild` does it"}


@dataclass(frozen=True, slots=True)
class Checked:
    check: Check
    finding: Finding

    @property
    def state(self) -> str:
        if self.finding.skipped is not None:
            return "skipped"
        return "ok" if self.finding.wrong is None else "wrong"


def verify(
    drained: Annotated[
        bool, typer.Option("--drained", help="Nothing may be on its way any more: what is counts as wrong.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the system to come to rest.")] = 30,
    max_age: Annotated[float, typer.Option(min=0, help="Seconds that a row may wait in an outbox.")] = 60,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build profile, segmentation and metrics once more from the log (I6).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the invariants; exit code 1 if one is broken, with the first row that is wrong."""
    moving, checked = asyncio.run(_run(drained, wait, max_age, rebuild))
    not_checked = {} if rebuild else _UNLESS_REBUILT
    if as_json:
        typer.echo(json.dumps(_as_json(moving, checked, not_checked), indent=2))
    else:
        _print(moving, checked, not_checked)
    if any(each.state == "wrong" for each in checked):
        raise typer.Exit(1)


def all_checks() -> list[Check]:
    """In the order of the invariants; a stable sort keeps what belongs together."""
    nouns = (positions, facts, sums, coupons, figures, resources)
    found = chain.from_iterable(noun.checks() for noun in nouns)
    return sorted(found, key=lambda check: _number(check.invariant))


def _number(invariant: str) -> int:
    return int(invariant[1:])


async def _run(drained: bool, wait: float, max_age: float, rebuild: bool) -> tuple[list[str], list[Checked]]:
    try:
        async with look(the_stack(), wait=wait, max_age=max_age, must_be_drained=drained) as view:
            checked = [Checked(check, await check.run(view)) for check in all_checks()]
            if rebuild:
                checked += await _rebuild(view)
            return view.moving, sorted(checked, key=lambda each: _number(each.check.invariant))
    except (
        KafkaError,
        asyncpg.InterfaceError,
        asyncpg.PostgresConnectionError,
        asyncpg.OperatorInterventionError,
    ) as error:
        raise StackError(f"A server went away during the look: {error!r}.") from error


async def _rebuild(view: View) -> list[Checked]:
    with Progress(console=err, disable=not err.is_terminal) as progress:
        tasks = {service: progress.add_task(f"{service} from the log", total=None) for service in REBUILT}

        def show(service: str, read: int, total: int) -> None:
            progress.update(tasks[service], completed=read, total=total)

        found: list[Checked] = []
        for check in rebuilt.checks(show):
            found.append(Checked(check, await check.run(view)))
            progress.update(tasks[check.service], completed=1, total=1)
        return found


def _as_json(moving: list[str], checked: list[Checked], not_checked: dict[str, str]) -> dict[str, Any]:
    return {
        "ok": all(each.state != "wrong" for each in checked),
        "moving": moving,
        "checks": [
            {
                "invariant": each.check.invariant,
                "what": each.check.what,
                "state": each.state,
                "compared": each.finding.compared,
                "found": each.finding.wrong or each.finding.skipped,
            }
            for each in checked
        ],
        "not_checked": not_checked,
    }


def _print(moving: list[str], checked: list[Checked], not_checked: dict[str, str]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("state")
    table.add_column("compared", justify="right")
    table.add_column("what")
    rows = [
        (each.check.invariant, each.state, "" if each.finding.skipped else str(each.finding.compared), each.check.what)
        for each in checked
    ]
    rows += [(invariant, "not checked", "", why) for invariant, why in not_checked.items()]
    for invariant, state, compared, what in sorted(rows, key=lambda row: _number(row[0])):
        colour = {"ok": "green", "wrong": "red"}.get(state, "yellow")
        table.add_row(invariant, f"[{colour}]{state}[/{colour}]", compared, what)
    out.print(table)
    _print_findings(moving, checked)


def _print_findings(moving: list[str], checked: list[Checked]) -> None:
    for reason in dict.fromkeys(each.finding.skipped for each in checked if each.finding.skipped):
        out.print(f"skipped: {reason}", markup=False, soft_wrap=True)
    for each in checked:
        if each.finding.wrong is not None:
            out.print(f"{each.check.invariant} is broken: {each.check.what}", style="red", markup=False, soft_wrap=True)
            out.print(f"  {each.finding.wrong}", markup=False, soft_wrap=True)
    if not moving and all(each.state != "wrong" for each in checked):
        out.print("Everything that was compared holds.")
