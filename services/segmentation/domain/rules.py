"""A segment's rule: from JSON to a tree that can be trusted, or a refusal that points at the broken place.

Domain rows SG1, SG3, SG8.

`{"all": […]}`, `{"any": […]}`, `{"not": …}` and comparisons `{"field", "op", "value"}`; money also has a `"currency"`.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, cast

from services.segmentation.domain.lifecycle import Stage
from services.segmentation.errors import (
    RuleFieldUnknown,
    RuleOperatorUnknown,
    RuleTooDeep,
    RuleTooLarge,
    RuleValueInvalid,
)

MAX_DEPTH = 10
MAX_NODES = 100
MAX_LISTED = 1_000
MAX_DAYS = 36_500
_MAX_NUMBER = 2**53 - 1
_MAX_TEXT = 256


class Kind(StrEnum):
    STAGE = "stage"
    LABEL = "label"
    TEXT = "text"
    FLAG = "flag"
    NUMBER = "number"
    MONEY = "money"
    INSTANT = "instant"


# "high-value customers", "new customers", "members of one id space": SG3's examples out of these. Age and gender are
# no facts of a customer here.
FIELDS = {
    "stage": Kind.STAGE,
    "stage_since": Kind.INSTANT,
    "reacquired": Kind.FLAG,
    "orders": Kind.NUMBER,
    "visits": Kind.NUMBER,
    "paid_amount": Kind.MONEY,
    "average_order_value": Kind.MONEY,
    "is_member": Kind.FLAG,
    "label": Kind.LABEL,
    "platform": Kind.TEXT,
    "source_id": Kind.TEXT,
    "first_order_at": Kind.INSTANT,
    "last_order_at": Kind.INSTANT,
    "first_visit_at": Kind.INSTANT,
    "last_visit_at": Kind.INSTANT,
}
STAGE_FIELDS = frozenset({"stage", "stage_since", "reacquired"})
# What is kept only as it is now: how much was spent, how often and when last somebody came, who is a member.
FORGOTTEN = frozenset({"visits", "last_visit_at", "paid_amount", "average_order_value", "is_member"})
WITHIN, OVER = "within_days", "over_days_ago"

_CHOICE = ("eq", "ne", "in")
_ORDERED = ("eq", "ne", "lt", "lte", "gt", "gte", "between")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.STAGE: _CHOICE,
    Kind.LABEL: _CHOICE,
    Kind.TEXT: _CHOICE,
    Kind.FLAG: ("eq", "ne"),
    Kind.NUMBER: (*_ORDERED, "in"),
    Kind.MONEY: (*_ORDERED, "in"),
    Kind.INSTANT: (*_ORDERED, WITHIN, OVER),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One fact against a value: one, several for `in`, two for `between`, a number of days for the two of time."""

    field: str
    kind: Kind
    op: str
    value: Any
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class All:
    rules: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    rules: "tuple[Rule, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    rule: "Rule"


Rule = Comparison | All | AnyOf | Not


@lru_cache(maxsize=1_000)
def read_rule(text: str) -> Rule:
    """A stored rule, which was valid when it was stored."""
    return parse_rule(json.loads(text))


def parse_rule(value: Any, pointer: str = "/rule") -> Rule:
    """The rule in parsed JSON; raises a refusal with the JSON pointer of the place that breaks a rule."""
    return _Parser().parse(value, pointer, 1)


class _Parser:
    def __init__(self) -> None:
        self._nodes = 0

    def parse(self, value: Any, pointer: str, depth: int) -> Rule:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise RuleTooDeep(f"a rule is at most {MAX_DEPTH} levels deep", pointer=pointer)
        if self._nodes > MAX_NODES:
            raise RuleTooLarge(f"a rule has at most {MAX_NODES} parts", pointer=pointer)
        if not isinstance(value, dict):
            raise RuleValueInvalid('a rule is an object: "all", "any", "not", or a comparison', pointer=pointer)
        node = cast("dict[str, Any]", value)
        match tuple(node):
            case ("all",):
                return All(self._several(node["all"], f"{pointer}/all", depth))
            case ("any",):
                return AnyOf(self._several(node["any"], f"{pointer}/any", depth))
            case ("not",):
                return Not(self.parse(node["not"], f"{pointer}/not", depth + 1))
            case _:
                return _parse_comparison(node, pointer)

    def _several(self, value: Any, pointer: str, depth: int) -> tuple[Rule, ...]:
        if not isinstance(value, list) or not value:
            raise RuleValueInvalid("a list of at least one rule is wanted here", pointer=pointer)
        rules = cast("list[Any]", value)
        return tuple(self.parse(rule, f"{pointer}/{index}", depth + 1) for index, rule in enumerate(rules))


def _parse_comparison(node: dict[str, Any], pointer: str) -> Comparison:
    if not {"field", "op", "value"} <= node.keys() <= {"field", "op", "value", "currency"}:
        raise RuleValueInvalid(
            'a rule is {"all": [...]}, {"any": [...]}, {"not": ...} or {"field", "op", "value"}, "currency" for money',
            pointer=pointer,
        )
    field, op = node["field"], node["op"]
    kind = FIELDS.get(field) if isinstance(field, str) else None
    if kind is None:
        raise RuleFieldUnknown(
            f"{ascii(field)[:80]} is no field; known are {', '.join(FIELDS)}", pointer=f"{pointer}/field"
        )
    if op not in OPERATORS[kind]:
        raise RuleOperatorUnknown(
            f"{ascii(op)[:80]} cannot be asked of {field}; possible are {', '.join(OPERATORS[kind])}",
            pointer=f"{pointer}/op",
        )
    currency = _parse_currency(node, kind, field, pointer)
    return Comparison(field, kind, op, _parse_value(kind, op, node["value"], f"{pointer}/value"), currency)


def _parse_currency(node: dict[str, Any], kind: Kind, field: str, pointer: str) -> str | None:
    currency = node.get("currency")
    if kind is not Kind.MONEY:
        if "currency" in node:
            raise RuleValueInvalid(f"{field} is no amount of money", pointer=f"{pointer}/currency")
        return None
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise RuleValueInvalid(f'{field} needs a "currency" such as "USD"', pointer=f"{pointer}/currency")
    return currency


def _parse_value(kind: Kind, op: str, value: Any, pointer: str) -> Any:
    if op in (WITHIN, OVER):
        return _parse_number(value, pointer, 1, MAX_DAYS)
    parse = _SCALARS[kind]
    if op == "in":
        listed = _listed(value, pointer, 1, MAX_LISTED)
        return tuple(parse(each, f"{pointer}/{index}") for index, each in enumerate(listed))
    if op == "between":
        low, high = (parse(each, f"{pointer}/{index}") for index, each in enumerate(_listed(value, pointer, 2, 2)))
        if high < low:
            raise RuleValueInvalid("the first bound is above the second", pointer=pointer)
        return (low, high)
    return parse(value, pointer)


def _listed(value: Any, pointer: str, least: int, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise RuleValueInvalid("a list is wanted here", pointer=pointer)
    listed = cast("list[Any]", value)
    if len(listed) > MAX_LISTED:
        raise RuleTooLarge(f"at most {MAX_LISTED} values can be listed", pointer=pointer)
    if not least <= len(listed) <= most:
        raise RuleValueInvalid(
            "two bounds are wanted here" if most == 2 else "at least one value is wanted", pointer=pointer
        )
    return listed


def _parse_number(value: Any, pointer: str, least: int = 0, most: int = _MAX_NUMBER) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RuleValueInvalid(f"an integer from {least} to {most} is wanted here", pointer=pointer)
    return value


def _parse_flag(value: Any, pointer: str) -> bool:
    if not isinstance(value, bool):
        raise RuleValueInvalid("true or false is wanted here", pointer=pointer)
    return value


def _parse_text(value: Any, pointer: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise RuleValueInvalid(f"a text of 1 to {_MAX_TEXT} characters is wanted here", pointer=pointer)
    if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in value):
        raise RuleValueInvalid("the text holds U+0000 or half of a surrogate pair", pointer=pointer)
    return value


def _parse_instant(value: Any, pointer: str) -> datetime:
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) and "T" in value.upper() else "")
        if at.tzinfo is None:
            raise ValueError
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RuleValueInvalid("an RFC 3339 instant with an offset is wanted here", pointer=pointer) from None


def _one_of(known: tuple[str, ...]) -> Callable[[Any, str], str]:
    def parse(value: Any, pointer: str) -> str:
        if not isinstance(value, str) or value not in known:
            raise RuleValueInvalid(f"one of {', '.join(known)} is wanted here", pointer=pointer)
        return value

    return parse


_SCALARS: dict[Kind, Callable[[Any, str], Any]] = {
    Kind.STAGE: _one_of(tuple(Stage)),
    Kind.LABEL: _one_of(("new", "old")),
    Kind.TEXT: _parse_text,
    Kind.FLAG: _parse_flag,
    Kind.NUMBER: _parse_number,
    Kind.MONEY: _parse_number,
    Kind.INSTANT: _parse_instant,
}
