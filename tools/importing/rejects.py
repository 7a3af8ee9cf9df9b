"""The rows that could not go in, in a file that can be mended and imported with the same options."""

import csv
from pathlib import Path
from typing import NamedTuple, TextIO

from tools.importing.problems import BadRow
from tools.importing.tables import Row, Table

# In front of the file's own columns; an import of the mended file does not know them, and says so.
ADDED = ("line", "column", "reason")
_SHOWN = 10


class Rejected(NamedTuple):
    line: int
    column: str
    reason: str


class Rejects:
    """`path` None: nothing is written, as in a dry run."""

    def __init__(self, table: Table, path: Path | None) -> None:
        self._table = table
        self.path = path
        self._file: TextIO | None = None
        self.count = 0
        self.first: list[Rejected] = []

    def add(self, row: Row, problem: BadRow) -> None:
        self.count += 1
        rejected = Rejected(row.line, problem.column, problem.reason)
        if len(self.first) < _SHOWN:
            self.first.append(rejected)
        if self.path is None:
            return
        if self._file is None:
            self._file = self.path.open("w", encoding=self._table.encoding, newline="")
            self._write([*ADDED, *self._table.header])
        self._write([*rejected, *row.values])

    def _write(self, cells: list[object]) -> None:
        csv.writer(self._file, delimiter=self._table.delimiter).writerow(cells)  # pyright: ignore[reportArgumentType]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
