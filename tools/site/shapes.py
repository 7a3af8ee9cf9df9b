"""JSON Schemas in words: the type of a field, its limits, and a table for each object. For HTTP and for events."""

from typing import Any

from tools.site.markdown import anchor, section, table

Schema = dict[str, Any]
_FORMATS = {"date-time": "instant (RFC 3339, with offset)"}
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "pattern `{}`",
}
_LARGEST = 2**53 - 1


class Shapes:
    """The named schemas of one document; `page` makes their anchors its own."""

    def __init__(self, page: str, schemas: dict[str, Schema]) -> None:
        self._page = page
        self._schemas = schemas

    def sections(self, names: list[str], level: int = 3) -> list[str]:
        return [line for name in names for line in self._section(name, level)]

    def _section(self, name: str, level: int) -> list[str]:
        schema = self._schemas[name]
        said = [schema["description"], ""] if schema.get("description") else []
        heading = section(level, f"`{name}`", self._anchor(name))
        if "properties" not in schema:
            return [*heading, *said, f"{self.type_of(schema)}.", ""]
        return [*heading, *said, *self.fields(schema)]

    def fields(self, schema: Schema) -> list[str]:
        required = schema.get("required", [])
        rows = [
            (f"`{name}`", self.type_of(each), "yes" if name in required else "", self.said(each))
            for name, each in schema["properties"].items()
        ]
        return table(("field", "type", "required", "what"), rows)

    def type_of(self, schema: Schema) -> str:
        """In words, with a link where the type has a section of its own."""
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return f"[{name}](#{self._anchor(name)})"
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return " or ".join(dict.fromkeys(self.type_of(each) for each in schema[word]))
        if values := _values(schema):
            return values
        if schema.get("type") == "array":
            return f"list of {self.type_of(schema.get('items', {}))}"
        if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"object of {self.type_of(schema['additionalProperties'])}"
        kind = schema.get("type", "any JSON")
        return _FORMATS.get(schema.get("format", ""), " or ".join(kind) if isinstance(kind, list) else kind)

    def examples(self, schema: Schema) -> list[Any]:
        """Those that a schema carries, or the one that it refers to."""
        if "$ref" in schema:
            return self.examples(self._schemas[schema["$ref"].rsplit("/", 1)[-1]])
        return schema.get("examples", [])

    def said(self, schema: Schema) -> str:
        words = [schema.get("description", "").rstrip("."), *_limits(schema)]
        if schema.get("default") is not None:
            words.append(f"default `{schema['default']}`")
        return "; ".join(word for word in words if word)

    def _anchor(self, name: str) -> str:
        return anchor(self._page, "shape", name)


def named(schema: Any) -> list[str]:
    """The names of all schemas that this one refers to, in their order."""
    if isinstance(schema, list):
        return [name for each in schema for name in named(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else []
    return [*own, *(name for key, each in schema.items() if key != "$ref" for name in named(each))]


def _values(schema: Schema) -> str:
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    return " or ".join(f"`{value}`" for value in values)


def _limits(schema: Schema) -> list[str]:
    """Of the schema, or of its only form that is not null."""
    forms = [each for each in schema.get("anyOf", []) if each.get("type") != "null"]
    if len(forms) == 1:
        schema = forms[0]
    return [
        text.format(_number(schema[name]))
        for name, text in _LIMITS.items()
        if name in schema and schema[name] != _LARGEST and (name, schema[name]) != ("minLength", 1)
    ]


def _number(limit: Any) -> str:
    return f"{limit:g}" if isinstance(limit, float) else str(limit)
