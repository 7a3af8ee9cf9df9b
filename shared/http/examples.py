"""Examples of bodies, put together from their schemas: what a schema says itself, or what a service's table says of
each field by its name. Called when a service's OpenAPI document is made."""

from collections.abc import Mapping
from typing import Any

# What a field looks like: by `Model.field` or, where the model does not matter, by `field`.
Examples = Mapping[str, Any]

_EVERYWHERE: Examples = {
    "at": "2026-03-09T14:05:00Z",
    "has_more": True,
    "next_cursor": "WyJjdXNfYXkxZ3IyM3R3d2R5anowcWdiOHdyeHZuIl0",
}


class NoExample(LookupError):
    """Neither the schema nor the table says what this field looks like."""


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any], examples: Examples) -> Any:
    """A body as this schema describes it; raises NoExample with the name of the field that nobody describes."""
    return _Composer(components, {**_EVERYWHERE, **examples}).compose(schema, "", "")


class _Composer:
    def __init__(self, components: Mapping[str, Any], examples: Examples) -> None:
        self._components = components
        self._examples = examples

    def compose(self, schema: Mapping[str, Any], model: str, field: str) -> Any:
        for name in (f"{model}.{field}", field):
            if name in self._examples:
                return self._examples[name]
        if "examples" in schema:
            return schema["examples"][0]
        if "$ref" in schema:
            name = str(schema["$ref"]).rsplit("/", 1)[1]
            return self.compose(self._components[name], name, "")
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self.compose(schema[union][0], model, field)
        return self._plain(schema, model, field)

    def _plain(self, schema: Mapping[str, Any], model: str, field: str) -> Any:
        if "properties" in schema:
            return {name: self.compose(each, model, name) for name, each in schema["properties"].items()}
        if schema.get("type") == "array":
            return [self.compose(schema["items"], model, "")]
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        raise NoExample(f"{model}.{field}")
