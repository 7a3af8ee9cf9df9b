"""Where in a document a JSON Schema stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# What says something of values and asks nothing of them.
ANNOTATIONS = {
    "title", "description", "default", "examples", "example", "deprecated", "discriminator", "readOnly", "writeOnly",
    "$comment", "$schema", "$defs", "$id", "contentMediaType",
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A schema in its document; references are followed, so the pointer is where it is written."""

    root: Mapping[str, Any]
    pointer: str
    schema: Any

    def below(self, *parts: str | int) -> "Place":
        found, pointer = self.schema, self.pointer
        for part in parts:
            found = found[int(part) if isinstance(found, list) else part]
            pointer += "/" + str(part).replace("~", "~0").replace("/", "~1")
        return Place(self.root, pointer, found).followed()

    def followed(self) -> "Place":
        if not isinstance(self.schema, dict) or "$ref" not in self.schema:
            return self
        place = Place(self.root, "", self.root)
        for part in self.schema["$ref"].removeprefix("#/").split("/"):
            place = place.below(part.replace("~1", "/").replace("~0", "~"))
        beside = {key: value for key, value in self.schema.items() if key != "$ref"}
        if not set(beside) - ANNOTATIONS:
            return place
        # 2020-12 lets keywords stand beside a reference; both hold.
        return Place(self.root, self.pointer, {"allOf": [{"$ref": self.schema["$ref"]}, beside]})

    def has(self, name: str) -> bool:
        return isinstance(self.schema, dict) and name in self.schema
