"""`comeback events`: every event that passes; those that could not be applied, looked at and tried again."""

from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.local.names import SERVICES
from tools.asking import ask
from tools.output import complain, out
from tools.tailing import tail

app = typer.Typer(
    help="Events: all as they pass, and those that were parked because they could not be applied.",
    no_args_is_help=True,
)
app.command()(tail)

Place = Annotated[str, typer.Argument(help="Where it stood, as `parked` prints it: topic/partition/offset.")]
Service = Annotated[str, typer.Argument(help=f"Who parked it: {', '.join(SERVICES)}.")]


@app.command()
def parked(
    service: Annotated[str | None, typer.Argument(help="Only this service's.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of each service at the most.")] = 50,
) -> None:
    """List parked records, the latest first; exit code 1 if there are any."""
    found = 0
    for name in [_known(service)] if service else SERVICES:
        for row in ask(name, _LIST, limit):
            found += 1
            _print_line(name, row)
    if not found:
        out.print("Nothing is parked.")
        return
    raise typer.Exit(1)


def _print_line(service: str, row: Any) -> None:
    # A line, not a table: `show` and `retry` want the place as it stands here, and a table cuts it off.
    again = ", to be retried" if row["retry_requested_at"] else ""
    out.print(f"{service} {_place(row)}", style="bold", soft_wrap=True)
    out.print(
        f"  {row['size']} bytes, tried {row['attempts']} times, parked at {row['parked_at']:%Y-%m-%d %H:%M:%S}{again}\n"
        f"  {row['reason']}",
        markup=False,
        soft_wrap=True,
    )


@app.command()
def show(service: Service, place: Place) -> None:
    """Print a parked record: why it was parked, its key and its bytes as they came."""
    found = ask(_known(service), _ONE, *_parse(place))
    if not found:
        complain(f"{service} has nothing parked at {place}.")
        raise typer.Exit(1)
    row = found[0]
    out.print(f"reason  {row['reason']}\ntries   {row['attempts']}\nkey     {row['key']!r}", markup=False)
    out.print(_readable(row["body"]), markup=False)


@app.command()
def retry(
    service: Service,
    place: Annotated[str | None, typer.Argument(help="topic/partition/offset; all of the service if none.")] = None,
    body: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Put these bytes in its place.")
    ] = None,
) -> None:
    """Have the service's worker apply parked records again; what fails again stays parked, with the new reason."""
    if body is not None and place is None:
        raise typer.BadParameter("--body goes with one place")
    where = _parse(place) if place else (None, None, None)
    asked = ask(_known(service), _RETRY, *where, body.read_bytes() if body else None)
    if not asked:
        complain(f"{service} has nothing parked{f' at {place}' if place else ''}.")
        raise typer.Exit(1)
    out.print(
        f"{len(asked)} to be retried by {service}'s worker; `comeback events parked {service}` shows what is left."
    )


_LIST = """SELECT topic, partition, record_offset, length(body) AS size, attempts, parked_at, reason, retry_requested_at
           FROM parked ORDER BY parked_at DESC, topic, partition, record_offset LIMIT $1"""
_ONE = "SELECT * FROM parked WHERE topic = $1 AND partition = $2 AND record_offset = $3"
_RETRY = """UPDATE parked SET retry_requested_at = now(), body = coalesce($4, body)
            WHERE $1::text IS NULL OR (topic = $1 AND partition = $2::int AND record_offset = $3::bigint)
            RETURNING topic"""


def _known(service: str) -> str:
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service}; there are {', '.join(SERVICES)}")
    return service


def _parse(place: str) -> tuple[str, int, int]:
    topic, partition, offset = [*place.rsplit("/", 2), "", ""][:3]
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise typer.BadParameter(f"{place} is no place: topic/partition/offset, as `comeback events parked` prints it")
    return topic, int(partition), int(offset)


def _place(row: Any) -> str:
    return f"{row['topic']}/{row['partition']}/{row['record_offset']}"


def _readable(body: bytes | None) -> str:
    """As text where it is text, else as bytes are written."""
    if body is None:
        return "(no value)"
    try:
        return body.decode()
    except UnicodeDecodeError:
        return repr(body)
