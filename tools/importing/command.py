"""`comeback import orders|visits|customers FILE`: what a person may say, and how it ends.

0: all rows went in; 1: some are bad, the others went in; 2: nothing could be told, or not all of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from shared.clock import wall
from tools.importing.kinds import CUSTOMERS, VISITS, Kind
from tools.importing.options import Money, Options, Twice, parse_zone
from tools.importing.orders import SumOf
from tools.importing.orders import orders as orders_kind
from tools.importing.problems import Unclear
from tools.importing.run import Import, bring_in
from tools.output import complain

app = typer.Typer(
    help="A shop's own history: orders, visits and customers from CSV or Parquet files.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or Parquet.")]
Map = Annotated[
    list[str] | None, typer.Option("--map", help="Another name of a column: total=Amount. May be repeated.")
]
Zone = Annotated[str | None, typer.Option(help="Of times that do not say it: an IANA name, Europe/Berlin or UTC.")]
TimeFormat = Annotated[
    str | None, typer.Option(help='Of times that are not in ISO 8601, as strptime has it: "%d.%m.%Y %H:%M".')
]
TwiceIs = Annotated[
    Twice | None, typer.Option("--twice", help="Which one is meant when clocks were put back and showed it twice.")
]
Shop = Annotated[str, typer.Option(help="The shop_id where the file has none.")]
Platform = Annotated[str, typer.Option(help="The id space of customer_id: the one in which your storefront sends it.")]
Encoding = Annotated[str, typer.Option(help="Of a CSV file: utf-8 (with or without BOM), cp1252, utf-16 ...")]
Delimiter = Annotated[str | None, typer.Option(help="Of a CSV file, where its first line does not show it.")]
Bad = Annotated[Path | None, typer.Option(help="Where bad rows go; unless told FILE.bad.csv.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen and show the first ten problems.")]
Wait = Annotated[bool, typer.Option(help="Wait until all five services have it.")]
Until = Annotated[
    datetime | None,
    typer.Option(help="Where a replay makes time pass: then it is this instant (UTC), and figures reach up to it."),
]


@app.command()
def orders(
    file: File,
    lines: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Their lines: order_id, sku, quantity, price ...")
    ] = None,
    map_: Map = None,
    map_lines: Annotated[list[str] | None, typer.Option(help="The same for the file of lines.")] = None,
    zone: Zone = None,
    time_format: TimeFormat = None,
    twice: TwiceIs = None,
    money: Annotated[
        Money | None,
        typer.Option(help="How amounts are written: minor (whole cents), point (1,234.56) or comma (1.234,56)."),
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Where the file says none: EUR.")] = None,
    total_from_lines: Annotated[
        bool, typer.Option("--total-from-lines", help="The file has no total: it is the sum of quantity times price.")
    ] = False,
    no_total: Annotated[
        bool, typer.Option("--no-total", help="There are no amounts: orders count, each with 0 XXX.")
    ] = False,
    shop: Shop = "default",
    platform: Platform = "web",
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = None,
    bad: Bad = None,
    dry_run: DryRun = False,
    wait: Wait = True,
    until: Until = None,
) -> None:
    """Tell orders as they happened: placed, paid, refunded, cancelled, each at its own instant.

    Columns: order_id, customer_id, ordered_at; and if they are there paid_at, cancelled_at, refunded_at,
    refunded_amount, total, currency, shop_id, channel, coupon_codes (with commas between). Without a column
    paid_at each order was paid when it was ordered; where it is empty the order was not paid.

    Read and not kept, because no service has a place for them yet: city, email, phone, discount, and the lines (which
    may give the totals).

    Interrupted, it goes on where it was when it is run again; run twice, everything is there once. More stands in
    docs/import.md."""
    with _complaints():
        said = Options(
            now=wall(),
            zone=parse_zone(zone),
            time_format=time_format,
            twice=twice,
            money=money,
            currency=currency,
            shop=shop,
            platform=platform,
            total_from_lines=total_from_lines,
            no_total=no_total,
        )
        _run(
            Import(file, said, map_ or [], encoding, delimiter, bad, dry_run, wait, until, lines, map_lines or []),
            orders_kind,
        )


@app.command()
def visits(
    file: File,
    map_: Map = None,
    zone: Zone = None,
    time_format: TimeFormat = None,
    twice: TwiceIs = None,
    shop: Shop = "default",
    platform: Platform = "web",
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = None,
    bad: Bad = None,
    dry_run: DryRun = False,
    wait: Wait = True,
    until: Until = None,
) -> None:
    """Tell visits: customer_id, visited_at; and if they are there visit_id, shop_id, name, channel.

    Read and not kept: city, email, phone. Without a visit_id, rows with the same customer, shop, instant and name
    are one visit."""
    with _complaints():
        said = Options(wall(), parse_zone(zone), time_format, twice, shop=shop, platform=platform)
        _run(Import(file, said, map_ or [], encoding, delimiter, bad, dry_run, wait, until), lambda _: VISITS)


@app.command()
def customers(
    file: File,
    map_: Map = None,
    zone: Zone = None,
    time_format: TimeFormat = None,
    twice: TwiceIs = None,
    shop: Shop = "default",
    platform: Platform = "web",
    encoding: Encoding = "utf-8",
    delimiter: Delimiter = None,
    bad: Bad = None,
    dry_run: DryRun = False,
    wait: Wait = True,
    until: Until = None,
) -> None:
    """Tell who is known: customer_id, created_at; and if they are there member (true, yes, 1, false, no, 0), shop_id.

    Read and not kept: city, email, phone, name."""
    with _complaints():
        said = Options(wall(), parse_zone(zone), time_format, twice, shop=shop, platform=platform)
        _run(Import(file, said, map_ or [], encoding, delimiter, bad, dry_run, wait, until), lambda _: CUSTOMERS)


def _run(work: Import, kind_of: Callable[[SumOf], Kind]) -> None:
    if not bring_in(work, kind_of):
        raise typer.Exit(1)


@contextmanager
def _complaints() -> Iterator[None]:
    try:
        yield
    except Unclear as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from error
    except KeyboardInterrupt as error:
        complain("Interrupted. Run the same command again: it goes on where it was.")
        raise typer.Exit(2) from error
