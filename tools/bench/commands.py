"""What can be measured, one command each."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tools.bench import footprint as footprints
from tools.bench import freshness as freshnesses
from tools.bench import ingest as ingests
from tools.bench import pipeline as pipelines
from tools.bench import replay as replays
from tools.bench.measuring import write

app = typer.Typer(help="Measure on this machine; no test ever asserts a time.", no_args_is_help=True)

JsonFile = Annotated[Path | None, typer.Option("--json", help="Where to write; bench-results/ if not said.")]
Events = Annotated[int, typer.Option(min=10_000, help="How many storefront events, a fifth of them orders.")]
Ingested = Annotated[int, typer.Option(min=10_000, help="How many events, a fifth of them orders.")]
Callers = Annotated[int, typer.Option(min=1, help="How many connections send, each one batch after the other.")]
Customers = Annotated[int, typer.Option(min=100, help="How many customers they come from, Zipf-distributed.")]
Known = Annotated[bool, typer.Option("--known", help="All customers are known before the measurement begins.")]
Workers = Annotated[int, typer.Option(min=1, max=4, help="How many workers profile and segmentation have each.")]
Active = Annotated[int, typer.Option(min=100, help="How many of them do something, in every run the same.")]
Rate = Annotated[int, typer.Option(min=1, help="Storefront events a second.")]
Seconds = Annotated[int, typer.Option(min=5, help="For how long.")]


@app.callback()
def benches() -> None:
    """Measure on this machine; no test ever asserts a time."""


@app.command()
def pipeline(
    events: Events = 1_000_000,
    customers: Customers = 200_000,
    known: Known = False,
    workers: Workers = 2,
    json_file: JsonFile = None,
) -> None:
    """B1: events that wait in Kafka, until all five services have applied them."""
    write("pipeline", pipelines.measure(events, customers, known=known, workers=workers), json_file)


@app.command()
def profile(
    events: Events = 1_000_000,
    customers: Customers = 200_000,
    known: Known = False,
    workers: Workers = 2,
    json_file: JsonFile = None,
) -> None:
    """B2: the same with profile's worker alone, until its state is stored and told."""
    found = pipelines.measure(events, customers, known=known, only="profile", workers=workers)
    write("profile", found, json_file)


@app.command()
def growth(
    events: Events = 300_000,
    sizes: str = "10000,100000,1000000",
    active: Active = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, by turns.")] = 3,
    json_file: JsonFile = None,
) -> None:
    """The same events among ever more customers that are known: what an event costs should stay the same."""
    customers = [int(size) for size in sizes.split(",")]
    found = [pipelines.measure(events, each, known=True, active=active) for _ in range(rounds) for each in customers]
    write("growth", {"active": active, "runs": found, **_growth(found)}, json_file)


def _growth(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What an event costs by the number of customers, and the dearest over the first."""
    costs: dict[int, float] = {}
    for each in found:
        # The cheapest round: what else a machine does only makes an event dearer.
        cost, customers = each["cpu_us_per_event"]["total"], each["customers"]
        costs[customers] = min(cost, costs.get(customers, cost))
    return {"cost_us": costs, "cost_ratio": round(max(costs.values()) / next(iter(costs.values())), 2)}


@app.command()
def freshness(
    rate: Rate = 2_000, seconds: Seconds = 30, customers: Customers = 200_000, json_file: JsonFile = None
) -> None:
    """B3: from an order's append to the membership and to the coupon it causes; and how late time's own changes are."""
    write("freshness", freshnesses.measure(rate, seconds, customers), json_file)


@app.command()
def ingest(events: Ingested = 500_000, callers: Callers = 8, json_file: JsonFile = None) -> None:
    """B7: batches of 100 over HTTP into Kafka, acknowledged; the share of who calls is told apart."""
    write("ingest", ingests.measure(events, callers), json_file)


@app.command()
def footprint(rate: Rate = 2_000, seconds: Seconds = 30, json_file: JsonFile = None) -> None:
    """B11: what the whole system holds in memory, idle and under load."""
    write("footprint", footprints.measure(rate, seconds), json_file)


@app.command("all")
def everything() -> None:
    """All of them, one after another, each on a system of its own."""
    for each in (pipeline, profile, freshness, ingest, footprint, growth):
        each()
    replay()


@app.command()
def replay(json_file: JsonFile = None) -> None:
    """B9: a year of real orders through all services; exit code 1 if a figure differs."""
    found = replays.measure()
    write("replay", found, json_file)
    raise typer.Exit(1 if found["differing"] else 0)
