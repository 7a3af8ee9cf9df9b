"""A schema that no longer fits the released one is found, with the pointer of what broke; one that fits is let pass."""

from typing import Any

import pytest

from tools.contracts.compatible import Break, breaks

CIRCLE = {"type": "object", "properties": {"next": {"$ref": "#/Circle"}}}
ONE: dict[str, Any] = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"const": "one", "type": "string"}, "n": {"type": "integer", "minimum": 1}},
}
TWO: dict[str, Any] = {
    "type": "object",
    "required": ["kind"],
    "properties": {"kind": {"const": "two", "type": "string"}, "t": {"type": "string"}},
}


def record(fields: dict[str, Any] | None = None, *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields or {}, "required": list(required), **more}


def found(direction: Any, old: Any, new: Any) -> dict[str, str]:
    """Reasons by pointer, of schemas that stand at /schema and may refer to #/Circle."""
    old, new = {"schema": old, "Circle": CIRCLE}, {"schema": new, "Circle": CIRCLE}
    return {each.pointer: each.reason for each in breaks(old, new, "/schema", "/schema", direction)}


# The narrower one, the wider one, and where they differ.
NARROWER: list[tuple[Any, Any, str]] = [
    ({"type": "integer"}, {"type": "number"}, ""),
    ({"type": "string"}, {"type": ["string", "null"]}, ""),
    ({"type": "string"}, {"anyOf": [{"type": "string"}, {"type": "null"}]}, ""),
    ({"type": "string"}, True, ""),
    ({"type": "string"}, {"description": "anything"}, ""),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, ""),
    ({"enum": ["a", "b"]}, {"type": "string", "maxLength": 1}, ""),
    ({"const": 5}, {"type": "integer", "minimum": 1}, ""),
    ({"type": "string", "minLength": 1}, {"type": "string"}, ""),
    ({"type": "string", "maxLength": 5}, {"type": "string", "maxLength": 6}, ""),
    ({"type": "string", "pattern": "^a$"}, {"type": "string"}, ""),
    ({"type": "string", "format": "date-time"}, {"type": "string"}, ""),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 0}, ""),
    ({"type": "number", "exclusiveMinimum": 0}, {"type": "number", "minimum": 0}, ""),
    ({"type": "number", "exclusiveMaximum": 1}, {"type": "number", "maximum": 1}, ""),
    ({"type": "integer", "multipleOf": 10}, {"type": "integer", "multipleOf": 5}, ""),
    ({"type": "array", "items": {"type": "string"}}, {"type": "array"}, ""),
    ({"type": "array", "items": {"const": 1}}, {"type": "array", "items": {"type": "integer"}}, "/items"),
    ({"type": "array", "maxItems": 3}, {"type": "array", "maxItems": 4}, ""),
    ({"type": "array", "uniqueItems": True}, {"type": "array"}, ""),
    (record({"a": {}}, "a"), record({"a": {}}), "/required"),
    (record({"a": {"type": "null"}}), record({"a": {"type": ["null", "string"]}}), "/properties/a"),
    (record(additionalProperties=False), record(), "/additionalProperties"),
    (record(additionalProperties={"const": 1}), record(additionalProperties={}), "/additionalProperties"),
    (record(propertyNames={"enum": ["a"]}), record(propertyNames={"type": "string"}), "/propertyNames"),
    ({"oneOf": [ONE]}, {"oneOf": [ONE, TWO]}, ""),
    ({"oneOf": [ONE, TWO]}, {"oneOf": [{**ONE, "required": []}, TWO]}, "/required"),
    ({"allOf": [ONE, {"required": ["n"]}]}, ONE, "/required"),
    ({"type": "string", "not": {"const": "a"}}, {"type": "string"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("narrow", "wide", "place"), NARROWER)
def test_a_request_may_grow_wider_and_a_response_narrower_never_the_other_way(
    narrow: Any, wide: Any, place: str
) -> None:
    unknown = "not" in narrow  # what cannot be compared is broken both ways
    assert bool(found("request", narrow, wide)) == unknown
    assert bool(found("response", wide, narrow)) == unknown
    for direction, old, new in (("request", wide, narrow), ("response", narrow, wide)):
        [pointer] = found(direction, old, new)
        assert pointer.startswith("/schema")
        assert pointer.endswith(place)


@pytest.mark.parametrize("direction", ["request", "response"])
def test_what_only_explains_breaks_nothing_and_no_schema_breaks_itself(direction: str) -> None:
    for narrow, wide, _ in NARROWER:
        assert found(direction, narrow, narrow) == found(direction, wide, wide) == {}
    explained = {**ONE, "title": "One", "description": "the first", "examples": [{"kind": "one"}]}
    assert found(direction, ONE, explained) == found(direction, explained, ONE) == {}
    assert found(direction, {"$ref": "#/Circle"}, CIRCLE) == {}


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_removed_field_is_found_even_when_it_was_optional(direction: str) -> None:
    assert found(direction, record({"a": {}, "b": {}}), record({"a": {}})) == {"/schema/properties/b": "was removed"}


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_new_optional_field_breaks_nothing(direction: str) -> None:
    assert found(direction, record({"a": {}}), record({"a": {}, "b": {"type": "string"}})) == {}


def test_readers_that_allow_no_other_fields_are_broken_by_a_new_one() -> None:
    closed = record({"a": {}}, additionalProperties=False)
    assert list(found("response", closed, {**closed, "properties": {"a": {}, "b": {}}})) == ["/schema/properties/b"]


def test_another_default_of_a_request_is_another_meaning_of_what_is_left_out() -> None:
    old, new = record({"a": {"default": 1}}), record({"a": {"default": 2}})
    assert list(found("request", old, new)) == ["/schema/properties/a"]
    assert found("response", old, new) == {}


def test_the_pointer_leads_through_references_to_where_it_is_written() -> None:
    old = {"schema": {"type": "array", "items": {"$ref": "#/defs/A~1B"}}, "defs": {"A/B": {"type": "string"}}}
    new = {"schema": {"type": "array", "items": {"$ref": "#/defs/A~1B"}}, "defs": {"A/B": {"type": "integer"}}}
    assert breaks(old, new, "/schema", "/schema", "request") == {
        Break("/defs/A~1B", "string was accepted and is not any more")
    }


def test_a_break_inside_one_of_several_tagged_alternatives_is_found_where_it_is() -> None:
    stricter = {**ONE, "properties": {**ONE["properties"], "n": {"type": "integer", "minimum": 2}}}
    assert found("request", {"oneOf": [ONE, TWO]}, {"oneOf": [stricter, TWO]}) == {
        "/schema/oneOf/0/properties/n": "a number beyond the minimum of 2 was accepted and is not any more"
    }
