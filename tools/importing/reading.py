"""The first half of an import: every row is read, checked and put aside; nothing has been told yet."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.events import Event
from tools.importing.cells import Cells
from tools.importing.kinds import Kind, Thing
from tools.importing.options import Options
from tools.importing.problems import BadRow, Unclear
from tools.importing.rejects import Rejects
from tools.importing.staging import Added, Staging
from tools.importing.tables import Table

# Told now and then: how far the reading is, in the table's own unit.
Show = Callable[[int], None]
_EVERY = 1_000


@dataclass
class Found:
    """What a file holds, for the person to compare with what they know of it."""

    rows: int = 0
    good: int = 0
    repeated: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None
    events: Counter[type[Event]] = field(default_factory=Counter[type[Event]])
    # By currency: paid orders and the sum of their totals.
    paid: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def add(self, thing: Thing) -> None:
        self.good += 1
        for event in thing.events:
            self.events[type(event)] += 1
            self.earliest = event.time if self.earliest is None else min(self.earliest, event.time)
            self.latest = event.time if self.latest is None else max(self.latest, event.time)
        if thing.paid is not None:
            orders, amount = self.paid.get(thing.paid.currency, (0, 0))
            self.paid[thing.paid.currency] = (orders + 1, amount + thing.paid.amount)


def names_in(header: list[str], columns: Iterable[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """What our columns are called in this file, as far as it has them; raises Unclear."""
    for ours, theirs in mapped.items():
        if theirs not in header:
            raise Unclear("--map", f"{ours}={theirs}: the file has no column {theirs!r}; it has {', '.join(header)}")
    named = {ours: mapped.get(ours, ours) for ours in columns}
    found = {ours: theirs for ours, theirs in named.items() if theirs in header}
    twice = sorted({theirs for theirs in found.values() if header.count(theirs) > 1})
    if twice:
        raise Unclear("--map", f"the file has more than one column {', '.join(twice)}")
    return found


def read(
    table: Table, kind: Kind, names: Mapping[str, str], options: Options, staging: Staging, rejects: Rejects, show: Show
) -> Found:
    """Good rows are in `staging`, bad ones in `rejects`."""
    found, cells = Found(), Cells(options, names)
    places = [(ours, table.header.index(theirs)) for ours, theirs in names.items()]
    for row in table.rows():
        found.rows += 1
        if found.rows % _EVERY == 0:
            show(table.position)
        try:
            if row.problem is not None:
                raise BadRow("", row.problem)
            thing = kind.convert(cells.fill({ours: row.values[place] for ours, place in places}), options)
            added, first = staging.add(thing, row.line)
            if added is Added.CONTRADICTS:
                raise cells.bad(kind.required[0], f"stands on line {first} already, with something else beside it")
        except BadRow as problem:
            rejects.add(row, problem)
            continue
        if added is Added.NEW:
            found.add(thing)
        else:
            found.repeated += 1
    show(table.size)
    return found
