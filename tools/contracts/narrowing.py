"""What a JSON Schema without alternatives allows, and how to take alternatives apart. Called by compatible.py."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from tools.contracts.places import ANNOTATIONS, Place

_UNIONS = ("anyOf", "oneOf")
_TYPES = ("null", "boolean", "object", "array", "number", "string")
_PYTHON: dict[str, tuple[type, ...]] = {
    "null": (type(None),), "boolean": (bool,), "object": (dict,), "array": (list,), "string": (str,),
    "integer": (int,), "number": (int, float),
}  # fmt: skip
# A keyword, and whether the giver's value (None: it has none) keeps to the taker's.
_AT_LEAST: Callable[[Any, Any], bool] = lambda given, taken: given is not None and given >= taken  # noqa: E731
_AT_MOST: Callable[[Any, Any], bool] = lambda given, taken: given is not None and given <= taken  # noqa: E731
_SAME: Callable[[Any, Any], bool] = lambda given, taken: given == taken  # noqa: E731
_KEPT: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("minLength", "minItems", "minProperties"), _AT_LEAST),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties"), _AT_MOST),
    "multipleOf": lambda given, taken: given is not None and given % taken == 0,
    "uniqueItems": lambda given, taken: not taken or bool(given),
}
_COMPARED = {
    *_KEPT, *ANNOTATIONS, "type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "required", "properties", "items", "additionalProperties", "propertyNames",
}  # fmt: skip


def alternatives(place: Place) -> list[Place]:
    """The schema as simple ones, of which a value fits one: a type each, a value each where values are named."""
    place = place.followed()
    schema = place.schema
    if schema is False:
        return []
    if is_anything(place):
        return [_with(place, {"type": name}) for name in _TYPES]
    for union in _UNIONS:
        if union in schema:
            beside = {key: value for key, value in schema.items() if key != union and key not in ANNOTATIONS}
            members = [place.below(union, number) for number in range(len(schema[union]))]
            return [
                _with(each, {**beside, **each.schema}) if beside else each
                for member in members
                for each in alternatives(member)
            ]
    if "allOf" in schema:
        return alternatives(_merged(place))
    if "enum" in schema:
        return [_with(place, {"const": value}) for value in schema["enum"]]
    if isinstance(schema.get("type"), list):
        return [_with(place, {**schema, "type": name}) for name in schema["type"]]
    return [place]


def is_anything(place: Place) -> bool:
    return place.schema is True or (place.schema is not False and not set(place.schema) - ANNOTATIONS)


def _merged(place: Place) -> Place:
    """All members of `allOf` and what stands beside it, as one: fields and what is required are put together."""
    whole: dict[str, Any] = {}
    beside = {key: value for key, value in place.schema.items() if key != "allOf"}
    members = [place.below("allOf", number).schema for number in range(len(place.schema["allOf"]))]
    for member in [*members, beside]:
        properties = {**whole.get("properties", {}), **member.get("properties", {})}
        required = [*whole.get("required", []), *member.get("required", [])]
        whole |= member
        whole |= {"properties": properties} if properties else {}
        whole |= {"required": required} if required else {}
    return _with(place, whole)


def _with(place: Place, schema: dict[str, Any]) -> Place:
    return type(place)(place.root, place.pointer, schema)


def alike(giver: Place, taker: Place) -> bool:
    """Whether these are meant for the same values: the same type and, if both have one, the same tag."""
    given, taken = giver.schema, taker.schema
    if "const" in given:
        return accepts(taken, given["const"])
    if "const" in taken or not _type_fits(given.get("type"), taken.get("type")):
        return False
    given_tags, taken_tags = _tags(given), _tags(taken)
    return all(taken_tags[name] == value for name, value in given_tags.items() if name in taken_tags)


def _tags(schema: dict[str, Any]) -> dict[str, Any]:
    """The fields that can have one value only; each is required or has that value as its default."""
    found = {name: _only(field) for name, field in schema.get("properties", {}).items()}
    return {name: value for name, value in found.items() if value is not None}


def _only(field: Any) -> Any:
    if not isinstance(field, dict):
        return None
    values = field.get("enum", [field["const"]] if "const" in field else [])
    return values[0] if len(values) == 1 else None


def _type_fits(given: str | None, taken: str | None) -> bool:
    return taken is None or given == taken or (given == "integer" and taken == "number")


def is_type(place: Place, name: str) -> bool:
    return place.schema.get("type") == name


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Whether one plain value (a text, number, boolean or null) is allowed."""
    if "const" in schema:
        return schema["const"] == value and type(schema["const"]) is type(value)
    name = schema.get("type")
    fits = name is None or (isinstance(value, _PYTHON[name]) and (name == "boolean" or not isinstance(value, bool)))
    if not fits or isinstance(value, dict | list):
        return fits
    if isinstance(value, str):
        long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
        return long_enough and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, bool) or value is None:
        return True
    return not list(bounds({"minimum": value, "maximum": value}, _range(schema)))


def _range(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if "inimum" in key or "aximum" in key}


def bounds(given: dict[str, Any], taken: dict[str, Any]) -> Iterator[str]:
    """What the giver may give beyond the taker's bounds, in words; types and tags are alike."""
    if "const" in given:
        return
    yield from _beyond(given, taken, "minimum", "exclusiveMinimum", 1)
    yield from _beyond(given, taken, "maximum", "exclusiveMaximum", -1)
    for keyword, kept in _KEPT.items():
        if keyword in taken and not kept(given.get(keyword), taken[keyword]):
            yield f"what is not {keyword} {taken[keyword]}"
    for keyword in sorted((set(taken) | set(given)) - _COMPARED):
        # pattern and format narrow the one who has them; what else there is, is not understood here.
        harmless = keyword in ("pattern", "format") and keyword not in taken
        if not harmless and given.get(keyword) != taken.get(keyword):
            yield f"what is not {keyword} {taken.get(keyword)!r}"


def _beyond(given: dict[str, Any], taken: dict[str, Any], closed: str, open_: str, sign: int) -> Iterator[str]:
    (bound, excluded), (mine, without) = _bound(taken, closed, open_, sign), _bound(given, closed, open_, sign)
    if mine < bound or (mine == bound and excluded and not without and bound > -math.inf):
        yield f"a number beyond the {closed} of {sign * bound:g}"


def _bound(schema: dict[str, Any], closed: str, open_: str, sign: int) -> tuple[float, bool]:
    """The lower bound (of negated numbers, for a maximum), and whether it is itself excluded."""
    found = [(sign * schema[name], name == open_) for name in (closed, open_) if name in schema]
    if schema.get("type") == "integer":
        found = [(bound + excluded, False) for bound, excluded in found]
    return max(found, default=(-math.inf, False))


def named(schema: dict[str, Any]) -> str:
    """A schema in a word, for people."""
    if "const" in schema:
        return repr(schema["const"])
    tags = _tags(schema)
    return str(schema.get("type", "a value")) + (f" with {tags}" if tags else "")
