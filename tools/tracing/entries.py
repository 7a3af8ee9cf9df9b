"""One line of a customer's story, and how its parts are written."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Entry:
    """`ids` are those of what it is about."""

    at: datetime
    service: str
    what: str
    why: str
    ids: dict[str, str]


def written(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def money(amount: int | None, currency: str | None) -> str:
    return " ".join(str(each) for each in (amount, currency) if each is not None)


def joined(*reasons: str | None) -> str:
    """Those that there are, parted by semicolons."""
    return "; ".join(each for each in reasons if each)


def several(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
