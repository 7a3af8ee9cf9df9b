"""Whether a JSON Schema still fits the one that was released: every value of one side must be a value of the other.

Whoever calls us goes on sending what the old schema of a request allows; whoever reads us was built for the old schema
of a response. So one question answers both: is what the `giver` may give always what the `taker` takes? What this
cannot compare (`not`, `patternProperties` ...) counts as broken when it differs, never as fine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.contracts import narrowing
from tools.contracts.places import Place

Direction = Literal["request", "response"]


@dataclass(frozen=True, order=True)
class Break:
    """`pointer` leads into the new document, or into the old one when what it led to is gone."""

    pointer: str
    reason: str


def breaks(
    old: Mapping[str, Any], new: Mapping[str, Any], old_at: str, new_at: str, direction: Direction
) -> set[Break]:
    """What of the schema at pointer `old_at` of the document `old` the one at `new_at` of `new` breaks."""
    places = [_at(document, pointer) for document, pointer in ((old, old_at), (new, new_at))]
    giver, taker = places if direction == "request" else reversed(places)
    return set(Comparison(direction).compare(giver, taker))


def _at(document: Mapping[str, Any], pointer: str) -> Place:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    return Place(document, "", document).below(*parts)


@dataclass
class Comparison:
    """One walk over two documents; what is being compared already is taken to fit, for schemas may be circles."""

    direction: Direction
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def compare(self, giver: Place, taker: Place) -> Iterator[Break]:
        if (giver.pointer, taker.pointer) in self._seen:
            return
        self._seen.add((giver.pointer, taker.pointer))
        if self.direction == "request":
            yield from self._defaults(giver, taker)
        takers = narrowing.alternatives(taker)
        if narrowing.is_anything(giver) and not narrowing.is_anything(taker):
            yield self._broken(giver, taker, f"anything {self._unfit}")
            return
        for each in narrowing.alternatives(giver):
            yield from self._fits_one(each, takers, taker)

    def _defaults(self, giver: Place, taker: Place) -> Iterator[Break]:
        if giver.has("default") and (not taker.has("default") or giver.schema["default"] != taker.schema["default"]):
            yield Break(taker.pointer, f"what is left out was {giver.schema['default']!r} and is something else now")

    def _fits_one(self, giver: Place, takers: list[Place], taker: Place) -> Iterator[Break]:
        """Alternatives exclude each other by type or tag, so each has to fit one of the other side whole."""
        alike = [each for each in takers if narrowing.alike(giver, each)]
        found: list[Break] = []
        for each in alike:
            found = list(Comparison(self.direction, set(self._seen)).fits(giver, each))
            if not found:
                return
        if len(alike) == 1:
            yield from found
        else:
            yield self._broken(giver, taker, f"{narrowing.named(giver.schema)} {self._unfit}")

    def fits(self, giver: Place, taker: Place) -> Iterator[Break]:
        """Two schemas without alternatives."""
        for reason in narrowing.bounds(giver.schema, taker.schema):
            yield self._broken(giver, taker, f"{reason} {self._unfit}")
        if narrowing.is_type(giver, "array") and taker.has("items"):
            items = giver.below("items") if giver.has("items") else Place(giver.root, giver.pointer + "/items", True)
            yield from self.compare(items, taker.below("items"))
        if narrowing.is_type(giver, "object"):
            yield from self._object(giver, taker)

    def _object(self, giver: Place, taker: Place) -> Iterator[Break]:
        for name in taker.schema.get("required", []):
            if name not in giver.schema.get("required", []):
                words = "is required now" if self.direction == "request" else "is not always there any more"
                yield Break(self._new(giver, taker).pointer + "/required", f"{name!r} {words}")
        given, taken = giver.schema.get("properties", {}), taker.schema.get("properties", {})
        old, new = (given, taken) if self.direction == "request" else (taken, given)
        for name in old:
            if name not in new:
                place = giver if self.direction == "request" else taker
                yield Break(place.below("properties", name).pointer, "was removed")
            else:
                yield from self.compare(giver.below("properties", name), taker.below("properties", name))
        if self.direction == "response" and taker.schema.get("additionalProperties") is False:
            for name in sorted(set(new) - set(old)):
                yield Break(giver.below("properties", name).pointer, "is new, and the old schema allows no new fields")
        yield from self._others(giver, taker)

    def _others(self, giver: Place, taker: Place) -> Iterator[Break]:
        """Fields that have no name in the schema."""
        for keyword in ("additionalProperties", "propertyNames"):
            if taker.has(keyword):
                named = giver.has(keyword)
                others = giver.below(keyword) if named else Place(giver.root, f"{giver.pointer}/{keyword}", True)
                yield from self.compare(others, taker.below(keyword))

    @property
    def _unfit(self) -> str:
        return "was accepted and is not any more" if self.direction == "request" else "was never answered before"

    def _new(self, giver: Place, taker: Place) -> Place:
        return taker if self.direction == "request" else giver

    def _broken(self, giver: Place, taker: Place, reason: str) -> Break:
        return Break(self._new(giver, taker).pointer, reason)
