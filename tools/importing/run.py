"""One import from its file to the services: read and check all of it, then tell it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from httpx import HTTPError
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from deploy.local.errors import StackError
from shared.clock import wall
from shared.kafka import KafkaError
from tools.importing import report
from tools.importing.journal import Journal
from tools.importing.kinds import Kind
from tools.importing.lines import COLUMNS, REQUIRED, SUMMED, Lines
from tools.importing.options import Options, parse_map
from tools.importing.orders import SumOf, check_stated
from tools.importing.problems import Unclear
from tools.importing.reading import Found, names_in, read
from tools.importing.rejects import Rejects
from tools.importing.staging import Staging
from tools.importing.tables import Table, open_table
from tools.importing.target import Target
from tools.importing.telling import ClockStands, clock_of, pass_to, tell, wait_until_decided
from tools.output import err, out

# When an import began is no part of what it tells.
_WHENEVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Import:
    """What was asked for."""

    file: Path
    options: Options
    mapped: Sequence[str]
    encoding: str
    delimiter: str | None
    bad: Path | None
    dry_run: bool
    wait: bool
    until: datetime | None
    lines: Path | None = None
    mapped_lines: Sequence[str] = ()


def bring_in(work: Import, kind_of: Callable[[SumOf], Kind]) -> bool:
    """Whether every row went in. Raises Unclear before anything is told, StackError when nothing answers."""
    target = None if work.dry_run else Target.here(work.until)
    with closing(Staging()) as staging, closing(Lines()) as lines:
        kind = kind_of(lines.sum_of)
        all_lines_good = work.lines is None or _read_lines(work, work.lines, lines)
        found, rejects, names = _read(work, kind, staging)
        if work.lines is not None:
            report.say_lines(work.lines, lines, summed=work.options.total_from_lines)
        if target is None:
            out.print("Nothing was told: this was a dry run.")
        else:
            _tell(work, kind, names, found, staging, target)
    return all_lines_good and not rejects.count


def _read(work: Import, kind: Kind, staging: Staging) -> tuple[Found, Rejects, dict[str, str]]:
    mapped = parse_map(work.mapped, kind.columns)
    table = open_table(work.file, [mapped.get(each, each) for each in kind.required], work.encoding, work.delimiter)
    names = names_in(table.header, kind.columns, mapped)
    if kind.name == "orders":
        check_stated(names, work.options, with_lines=work.lines is not None)
    rejects = Rejects(table, _bad_file(work, work.file, work.bad))
    with closing(rejects), _bar(f"Reading {work.file.name}", table.size) as show:
        found = read(table, kind, names, work.options, staging, rejects, show)
    report.say_found(work.file, kind, found, staging.count()[1])
    report.say_columns(kind, names, table.header)
    report.say_bad(rejects)
    return found, rejects, names


def _read_lines(work: Import, path: Path, lines: Lines) -> bool:
    mapped = parse_map(work.mapped_lines, COLUMNS)
    required = (*REQUIRED, *SUMMED) if work.options.total_from_lines else REQUIRED
    table: Table = open_table(path, [mapped.get(each, each) for each in required], work.encoding, work.delimiter)
    names = names_in(table.header, COLUMNS, mapped)
    rejects = Rejects(table, _bad_file(work, path, None))
    with closing(rejects), _bar(f"Reading {path.name}", table.size) as show:
        rows = lines.read(table, names, work.options, rejects, show)
    out.print(f"{path.name}: {rows:,} rows", markup=False, soft_wrap=True)
    report.say_bad(rejects)
    return not rejects.count


def _bad_file(work: Import, path: Path, told: Path | None) -> Path | None:
    if work.dry_run:
        return None
    bad = told or path.with_name(f"{path.name}.bad.csv")
    if bad.exists() and bad.samefile(path):
        raise Unclear("--bad", "bad rows cannot go into the file that is being read")
    # What an earlier run left there is not of this one.
    if told is None:
        bad.unlink(missing_ok=True)
    return bad


def _tell(work: Import, kind: Kind, names: dict[str, str], found: Found, staging: Staging, target: Target) -> None:
    files = [work.file] if work.lines is None else [work.file, work.lines]
    said = repr((kind.name, sorted(names.items()), replace(work.options, now=_WHENEVER)))
    journal = Journal(target.journals, files, target.name + said)
    if journal.person is not None:
        out.print(f"Going on behind {journal.rows:,} rows that an interrupted import has told.")
    started = time.perf_counter()
    try:
        uvloop.run(_all_of_it(work, kind, found, staging, target, journal))
    except KafkaError as error:
        raise StackError(
            f"Kafka does not answer: {error or type(error).__name__}. Run it again: it goes on."
        ) from error
    except (HTTPError, ClockStands) as error:
        raise StackError(f"Everything was told, but metrics does not follow: {error}.") from error
    out.print(f"Done after {time.perf_counter() - started:.1f} s.")


async def _all_of_it(
    work: Import, kind: Kind, found: Found, staging: Staging, target: Target, journal: Journal
) -> None:
    if target.until is not None:
        await _check_until(target, target.until, found)
    rows, _ = staging.count(journal.person)
    started = time.perf_counter()
    with _bar(f"Telling {kind.name}", rows) as show:
        told = 0

        def more(count: int) -> None:
            nonlocal told
            told += count
            show(told)

        await tell(target.bootstrap, kind.topic, staging, journal, more)
    journal.finish()
    out.print(f"Told {told:,} {kind.name} in {time.perf_counter() - started:.1f} s.")
    if target.until is not None:
        await pass_to(target.bootstrap, target.until)
    if target.until is None and target.clock == "stream":
        out.print("Time stands here until a replay makes it pass, and figures with it: --until would have.")
    elif work.wait:
        with err.status("Waiting until all five services have it ..."):
            await wait_until_decided(target.metrics_url, target.api_key, target.until or wall())


async def _check_until(target: Target, until: datetime, found: Found) -> None:
    if found.latest is not None and until < found.latest:
        raise Unclear("--until", f"the file goes on to {found.latest.isoformat()}")
    try:
        clock = await clock_of(target.metrics_url, target.api_key)
    except HTTPError as error:
        raise StackError(f"Nothing was told: metrics does not say what time it is there: {error}.") from error
    if until <= clock:
        raise Unclear("--until", f"it is {clock.isoformat()} there already")


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
