"""`comeback simulate`: a shop whose customers' minds are known, told to the running system; what it measures, beside
the truth."""

from typing import Annotated, Any

import typer
import uvloop
from aiohttp import ClientError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.simulation.plan import MOST_DAYS_A_SECOND, Impossible, Plan
from demo.simulation.run import Outcome, Simulation
from demo.storefront import Doors, Refused
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from shared.kafka import KafkaError
from tools.asking import the_stack
from tools.output import err, out


def simulate(
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Events a second, kept steady.")] = 500,
    seconds: Annotated[int, typer.Option(min=1, max=86_400, help="How long.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed is the same people, who do the same.")] = 1,
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many people.")] = 2000,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=MOST_DAYS_A_SECOND, help="Days a second, where a replay makes time pass; 120 days if not said."
        ),
    ] = None,
) -> None:
    """Simulate a shop with a known truth on the running system, and compare recall and lift with it.

    On the wall clock the customers' past is told first, so that some of them fall silent, and come back or not, within
    the seconds of the run. Where a replay makes time pass (`stack up --clock stream`), months pass in them."""
    stack = the_stack()
    plan = Plan(rate, seconds, seed, customers, _clock_of(stack), speed)
    try:
        with _bar() as progress:
            task = progress.add_task("Getting ready", total=plan.events)
            found = uvloop.run(
                _simulate(
                    plan,
                    stack,
                    lambda sent: progress.update(task, completed=sent, description="Simulating"),
                )
            )
    except Impossible as error:
        raise StackError(f"This cannot be simulated: {error}.") from error
    except (Refused, TimeoutError, KafkaError, ClientError) as error:
        reason = str(error) or "the system did not go on within two minutes"
        raise StackError(f"The simulation broke off: {reason}. The logs are in {stack.home.logs}") from error
    _print(plan, found)


def _clock_of(stack: Stack) -> Any:
    down = [each.name for each in stack.status() if not each.is_up]
    state = stack.home.load()
    if state is None or down:
        raise StackError("Not everything is up: `comeback stack up` starts what is down.")
    return state.clock


async def _simulate(plan: Plan, stack: Stack, progress: Any) -> Outcome:
    return await Simulation(plan, Doors.of(stack.environment()), progress).run()


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} events"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=err)


def _print(plan: Plan, found: Outcome) -> None:
    table = Table(title="Simulated", title_justify="left", box=None, pad_edge=False)
    for title in ("", "Comeback says", "truth"):
        table.add_column(title, overflow="fold")
    for line in _lines(plan, found):
        table.add_row(*line)
    out.print(table)
    for note in _notes(found):
        out.print(note)


def _lines(plan: Plan, found: Outcome) -> list[tuple[str, str, str]]:
    metrics, lift, truth = found.metrics, found.metrics["lift"], found.expected
    recall = {arm: metrics["recall"][arm]["so_far"] for arm in ("treated", "held_out")}
    return [
        ("events sent", f"{found.sent:,}, of them {found.orders:,} orders", ""),
        ("events/s", f"{found.sent / found.seconds:,.1f}", f"{plan.rate:,} asked"),
        ("coupons issued", f"{metrics['issued']:,}", ""),
        ("redemptions", f"{metrics['redemptions']:,}", f"{found.redeemed:,} accepted, {found.refused:,} refused"),
        ("recall of the treated", _rate(recall["treated"]), _percent(truth.treated)),
        ("recall of the held out", _rate(recall["held_out"]), _percent(truth.held_out)),
        ("lift", _percent(lift["estimate"]), _percent(truth.lift)),
        ("its 95 % interval", _interval(lift), _verdict(found.covers)),
        ("p-value", "-" if lift["p_value"] is None else f"{lift['p_value']:.2g}", ""),
    ]


def _notes(found: Outcome) -> list[str]:
    notes = [f"The campaign is {found.campaign_id}. The interval of one run in twenty does not hold the truth."]
    if not found.metrics["audience"]:
        notes.append("Nobody fell silent in so short a run: give it 15 seconds or more.")
    if found.metrics["suppressed"]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in found.metrics["suppressed"].items())
        notes.append(f"Not delivered and not held out: {reasons}.")
    if found.strangers:
        notes.append(f"{found.strangers:,} of its customers are not of this run: the truth knows nothing about them.")
    return notes


def _rate(rate: dict[str, Any]) -> str:
    return f"{_percent(rate['value'])} ({rate['numerator']:,} of {rate['denominator']:,})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f} %"


def _interval(lift: dict[str, Any]) -> str:
    return "-" if lift["low"] is None else f"{_percent(lift['low'])} to {_percent(lift['high'])}"


def _verdict(covers: bool | None) -> str:
    if covers is None:
        return "-"
    return "[green]holds it[/green]" if covers else "[yellow]does not hold it[/yellow]"
