"""The lines of orders, in a file of their own. No service keeps them; they can say what an order's total is."""

import sqlite3
from collections.abc import Mapping
from decimal import Decimal

from tools.importing.cells import Cells
from tools.importing.options import Options
from tools.importing.problems import BadRow
from tools.importing.reading import Show
from tools.importing.rejects import Rejects
from tools.importing.tables import Row, Table

REQUIRED = ("order_id", "sku")
SUMMED = ("quantity", "price")
COLUMNS = (*REQUIRED, *SUMMED, "category", "brand")

_TABLES = """
CREATE TABLE lines (order_id TEXT, amount TEXT);
CREATE TABLE used (order_id TEXT PRIMARY KEY, shop TEXT) WITHOUT ROWID;
"""
_COUNT = "SELECT count(*), count(*) FILTER (WHERE order_id NOT IN (SELECT order_id FROM used)) FROM lines"


class Lines:
    """Lines by order, on disk when they are many."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        self._db.close()

    def read(self, table: Table, names: Mapping[str, str], options: Options, rejects: Rejects, show: Show) -> int:
        """How many lines there are; bad ones are in `rejects`, and make their order's sum unknown."""
        cells, rows = Cells(options, names), 0
        places = [(ours, table.header.index(theirs)) for ours, theirs in names.items()]
        for row in table.rows():
            rows += 1
            if rows % 1_000 == 0:
                show(table.position)
            self._add(cells, places, row, options, rejects)
        self._db.execute("CREATE INDEX by_order ON lines (order_id)")
        show(table.size)
        return rows

    def _add(self, cells: Cells, places: list[tuple[str, int]], row: Row, options: Options, rejects: Rejects) -> None:
        order_id = ""
        try:
            if row.problem is not None:
                raise BadRow("", row.problem)
            cells.fill({ours: row.values[place] for ours, place in places})
            order_id, _ = cells.text("order_id"), cells.text("sku")
            amount = str(cells.amount("price") * cells.amount("quantity")) if options.total_from_lines else ""
        except BadRow as problem:
            rejects.add(row, problem)
            amount = None
        self._db.execute("INSERT INTO lines VALUES (?, ?)", (order_id, amount))

    def sum_of(self, shop: str, order_id: str) -> Decimal:
        """What the order's lines come to; raises ValueError when that cannot be known."""
        self._db.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (order_id, shop))
        (first_shop,) = self._db.execute("SELECT shop FROM used WHERE order_id = ?", (order_id,)).fetchone()
        if first_shop != shop:
            raise ValueError(f"{order_id} is an order of {first_shop} too, and lines do not say whose they are")
        amounts = [each for (each,) in self._db.execute("SELECT amount FROM lines WHERE order_id = ?", (order_id,))]
        if not amounts:
            raise ValueError(f"{order_id} has no lines to sum")
        if None in amounts:
            raise ValueError(f"one of the lines of {order_id} is bad")
        return sum(map(Decimal, amounts), Decimal())

    def count(self) -> tuple[int, int]:
        """All lines, and those of orders that nobody asked for."""
        return self._db.execute(_COUNT).fetchone()
