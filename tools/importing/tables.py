"""Rows of a CSV or Parquet file with the numbers under which a person finds them again. Whole files never stand in
memory."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from tools.importing.problems import Unclear

_DELIMITERS = (",", ";", "\t", "|")
_AT_ONCE = 10_000


class Row(NamedTuple):
    """`line` is the line of a CSV file on which the row begins (the header has line 1), or a Parquet file's row."""

    line: int
    values: Sequence[Any]
    problem: str | None = None


class Table(Protocol):
    header: list[str]
    delimiter: str
    encoding: str
    size: int
    position: int
    """How far the reading is, in the unit of `size`."""

    def rows(self) -> Iterator[Row]: ...


def open_table(path: Path, needed: Collection[str], encoding: str, delimiter: str | None) -> Table:
    """The file, whichever kind it is; raises Unclear. `needed` are the column names that it must have."""
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    table = ParquetTable(path) if is_parquet else CsvTable(path, needed, encoding, delimiter)
    missing = [name for name in needed if name not in table.header]
    if missing:
        raise Unclear(
            "--map",
            f"{path.name} has no column {', '.join(missing)}; it has {', '.join(table.header)}. "
            f"`--map {missing[0]}=Name` says which one is meant",
        )
    return table


class CsvTable:
    def __init__(self, path: Path, needed: Collection[str], encoding: str, delimiter: str | None) -> None:
        self.encoding = encoding
        self.size = path.stat().st_size
        self.position = 0
        self._path = path
        try:
            with self._open() as text:
                first = _first_line(text)
        except UnicodeError as error:
            raise self._misread(1) from error
        except LookupError as error:
            raise Unclear("--encoding", f"there is no encoding {encoding!r}") from error
        if not first.strip():
            raise Unclear("FILE", f"{path.name} does not begin with the names of its columns")
        self.delimiter = delimiter or _delimiter_of(first, needed)
        self.header = _split(first, self.delimiter)

    def _open(self) -> io.TextIOWrapper:
        # A byte order mark is no part of the first name.
        encoding = "utf-8-sig" if self.encoding.lower() in ("utf-8", "utf8") else self.encoding
        return self._path.open(encoding=encoding, newline="")

    def rows(self) -> Iterator[Row]:
        with self._open() as text:
            before, buffer = len(_first_line(text).splitlines()), cast(BinaryIO, text.buffer)
            for row in self._rows(text, before):
                # The text itself cannot say where it is while it is being read.
                self.position = buffer.tell()
                yield row

    def _rows(self, text: io.TextIOWrapper, before: int) -> Iterator[Row]:
        reader = csv.reader(text, delimiter=self.delimiter, strict=True)
        wanted = len(self.header)
        while True:
            line = before + reader.line_num + 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, [], f"cannot be split into cells: {error}")
                continue
            except UnicodeError as error:
                raise self._misread(line) from error
            if any(values):
                problem = None if len(values) == wanted else f"{len(values)} cells under {wanted} names"
                yield Row(line, values, problem)

    def _misread(self, line: int) -> Unclear:
        return Unclear(
            "--encoding",
            f"{self._path.name} is not {self.encoding}, near line {line}; Excel often writes cp1252 or utf-16",
        )


def _first_line(text: io.TextIOWrapper) -> str:
    """The line of names, also one that goes on because a name holds a line break."""
    first = text.readline()
    while first.count('"') % 2 and (more := text.readline()):
        first += more
    return first


def _split(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter))]


def _delimiter_of(first: str, needed: Collection[str]) -> str:
    """The separator by which the first line gives the names that it must hold: found, not guessed."""
    by_found = {each: len(set(needed) & set(_split(first, each))) for each in _DELIMITERS}
    return max(_DELIMITERS, key=lambda each: (by_found[each], first.count(each)))


class ParquetTable:
    delimiter = ","
    encoding = "utf-8"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.position = 0
        try:
            with pq.ParquetFile(path) as file:
                self.header = list(file.schema_arrow.names)
                self.size = file.metadata.num_rows
        except pa.ArrowException as error:
            raise Unclear("FILE", f"{path.name} cannot be read: {error}") from error

    def rows(self) -> Iterator[Row]:
        with pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(batch_size=_AT_ONCE):
                for values in zip(*map(_plain, batch.columns), strict=True):
                    self.position += 1
                    yield Row(self.position, values)


def _plain(column: pa.Array) -> list[Any]:
    # Python's own instants end at microseconds.
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.to_pylist()
