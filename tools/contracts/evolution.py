"""Whether today's events still are what was released. Within a version of a type only optional fields are added.

Readers of today must read what was told in the last release, which may still be in the log. What we tell must also be
readable by those who know the last release only; what storefronts tell is read by nobody but us.
"""

from collections.abc import Mapping
from typing import Any

from tools.contracts.compatible import Break, Direction, breaks

# By full type: `{"$ref": "#/$defs/OrderPaid", "$defs": ...}`.
Schemas = Mapping[str, dict[str, Any]]
_FROM_OUTSIDE = "com.comeback.storefront-"


def broken_events(released: Schemas, today: Schemas) -> list[str]:
    """One line for each break: the event, where in its schema, and the rule; none if all fits."""
    found: list[str] = []
    for name in sorted(released):
        if name in today:
            found += [f"{name} {each.pointer}: {_rule(each)}" for each in _breaks(name, released[name], today[name])]
        elif not _succeeded(name, released):
            found.append(f"{name} /: was removed, and the last release has no later version that is told in its place")
    return found


def _breaks(name: str, old: dict[str, Any], new: dict[str, Any]) -> list[Break]:
    directions: list[Direction] = ["request"] if name.startswith(_FROM_OUTSIDE) else ["request", "response"]
    return sorted({each for direction in directions for each in breaks(old, new, _root(old), _root(new), direction)})


def _rule(found: Break) -> str:
    # The comparison speaks of requests and answers.
    return found.reason.replace("never answered", "never told")


def _root(schema: dict[str, Any]) -> str:
    return schema["$ref"].removeprefix("#")


def _succeeded(name: str, released: Schemas) -> bool:
    """Whether a later version was told for a whole release, so that nothing in a log needs this one any more."""
    stem, number = split(name)
    return any(split(other)[0] == stem and split(other)[1] > number for other in released)


def split(name: str) -> tuple[str, int]:
    """A full type without its version, and the version: `com.comeback.order.paid`, 1."""
    stem, _, number = name.rpartition(".v")
    return stem, int(number)
