"""What a person reads of an import: what the file holds, what is left out and why."""

from collections.abc import Iterator
from pathlib import Path

from shared.events import short_type
from tools.importing.cells import decimals_of
from tools.importing.kinds import Kind
from tools.importing.lines import Lines
from tools.importing.reading import Found
from tools.importing.rejects import Rejects
from tools.output import out


def say(name: str, text: str) -> None:
    out.print(f"  {name:<28}{text}", markup=False, soft_wrap=True)


def say_found(path: Path, kind: Kind, found: Found, people: int) -> None:
    out.print(f"{path.name}: {found.rows:,} rows", markup=False, soft_wrap=True)
    say("good", f"{found.good:,} {kind.name}" + ("" if kind.name == "customers" else f" of {people:,} customers"))
    if found.earliest and found.latest:
        say("from, to", f"{found.earliest.isoformat()}, {found.latest.isoformat()}")
    for event, count in found.events.items():
        say(short_type(event), f"{count:,}")
    for line in _sums(found):
        say("paid", line)
    if found.repeated:
        say("repeated", f"{found.repeated:,} rows that say what another row has said; told once")


def _sums(found: Found) -> Iterator[str]:
    for currency, (orders, amount) in sorted(found.paid.items()):
        digits = decimals_of(currency)
        whole, rest = divmod(amount, 10**digits)
        fraction = f".{rest:0{digits}}" if digits else ""
        yield f"{whole:,}{fraction} {currency} in {orders:,} orders"


def say_columns(kind: Kind, names: dict[str, str], header: list[str]) -> None:
    dropped = [theirs for ours, theirs in names.items() if ours in kind.dropped]
    if dropped:
        say("read and not kept", ", ".join(dropped))
    unknown = [name for name in header if name not in names.values()]
    if unknown:
        say("not known, not read", ", ".join(unknown))
    if kind.name == "orders" and "paid_at" not in names:
        say("no column paid_at", "each order counts as paid when it was ordered")


def say_bad(rejects: Rejects) -> None:
    if not rejects.count:
        return
    say("bad", f"{rejects.count:,} rows" + (f", in {rejects.path}" if rejects.path else "") + "; the first of them:")
    for line, column, reason in rejects.first:
        where = f"line {line}, {column}" if column else f"line {line}"
        out.print(f"    {where}: {reason}", markup=False, soft_wrap=True)


def say_lines(path: Path, lines: Lines, *, summed: bool) -> None:
    count, strays = lines.count()
    say("read and not kept", f"{count:,} lines of {path.name}" + (", but for their sums" if summed else ""))
    if summed and strays:
        say("lines without order", f"{strays:,} in {path.name}")
