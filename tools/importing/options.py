"""What the person states about a file, because a file does not say it and we do not guess it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from tools.importing.problems import Unclear


class Money(StrEnum):
    """How amounts are written: `minor` are whole cents (or what the currency has), the others decimal."""

    MINOR = "minor"
    POINT = "point"
    COMMA = "comma"


class Twice(StrEnum):
    """Which one is meant by a local time that a day has twice, because clocks were put back."""

    EARLIER = "earlier"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Options:
    """`now` is when the import began: nothing may lie after it."""

    now: datetime
    zone: ZoneInfo | None = None
    time_format: str | None = None
    twice: Twice | None = None
    money: Money | None = None
    currency: str | None = None
    shop: str = "default"
    platform: str = "web"
    total_from_lines: bool = False
    no_total: bool = False


def parse_zone(name: str | None) -> ZoneInfo | None:
    """The time zone of that IANA name; raises Unclear."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Unclear("--zone", f"there is no time zone {name!r}; one is Europe/Berlin, another UTC") from error


def parse_map(pairs: Iterable[str], columns: Iterable[str]) -> dict[str, str]:
    """`total=Amount` by our name; raises Unclear for a name that we have not."""
    known, found = tuple(columns), dict[str, str]()
    for pair in pairs:
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs:
            raise Unclear("--map", f"{pair!r} is not of the form total=Amount")
        if ours not in known:
            raise Unclear("--map", f"there is no column {ours!r} to map to; there are {', '.join(known)}")
        if ours in found:
            raise Unclear("--map", f"{ours} is mapped twice")
        found[ours] = theirs
    return found
