"""`comeback verify`: whether what we promise of the data holds, on a system that runs or stands."""

import asyncio
import json
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import asyncpg
import typer
from rich.table import Table

from deploy.local.errors import StackError
from shared.kafka import KafkaError
from tools.asking import the_stack
from tools.output import out
from tools.verify import coupons, facts, figures, positions, resources, sums
from tools.verify.checks import Check, Finding
from tools.verify.system import look

# What is not compared, and where it is proven instead.
_NOT_CHECKED = {"I6": "tables = tables rebuilt from the log from scratch; that takes a second system"}


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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the invariants; exit code 1 if one is broken, with the first row that is wrong."""
    moving, checked = asyncio.run(_run(drained, wait, max_age))
    if as_json:
        typer.echo(json.dumps(_as_json(moving, checked), indent=2))
    else:
        _print(moving, checked)
    if any(each.state == "wrong" for each in checked):
        raise typer.Exit(1)


def all_checks() -> list[Check]:
    """In the order of the invariants; a stable sort keeps what belongs together."""
    nouns = (positions, facts, sums, coupons, figures, resources)
    found = chain.from_iterable(noun.checks() for noun in nouns)
    return sorted(found, key=lambda check: _number(check.invariant))


def _number(invariant: str) -> int:
    return int(invariant[1:])


async def _run(drained: bool, wait: float, max_age: float) -> tuple[list[str], list[Checked]]:
    try:
        async with look(the_stack(), wait=wait, max_age=max_age, must_be_drained=drained) as view:
            return view.moving, [Checked(check, await check.run(view)) for check in all_checks()]
    except (KafkaError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError) as error:
        raise StackError(f"A server went away during the look: {error!r}.") from error


def _as_json(moving: list[str], checked: list[Checked]) -> dict[str, Any]:
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
        "not_checked": _NOT_CHECKED,
    }


def _print(moving: list[str], checked: list[Checked]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    table.add_column("state")
    table.add_column("compared", justify="right")
    table.add_column("what")
    rows = [
        (each.check.invariant, each.state, "" if each.finding.skipped else str(each.finding.compared), each.check.what)
        for each in checked
    ]
    rows += [(invariant, "not checked", "", why) for invariant, why in _NOT_CHECKED.items()]
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
