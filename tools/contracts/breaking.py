"""What of a released OpenAPI document a new one breaks, for those who call us by the old one."""

from collections.abc import Iterator, Mapping
from typing import Any

from tools.contracts.compatible import Break, Direction, breaks

Operation = Mapping[str, Any]


def breaks_of_api(old: dict[str, Any], new: dict[str, Any]) -> list[Break]:
    """Each with the pointer of what broke: in the new document, or in the old one where it is gone."""
    return sorted({*_of_schemes(old, new), *_of_paths(old, new)})


def may_break(old: str, new: str) -> bool:
    """Whether a release of the version `new` may break what `old` promised: the major rises, or the minor of 0.x."""
    (old_major, old_minor), (major, minor) = (map(int, version.split(".")[:2]) for version in (old, new))
    return major > old_major or (major == old_major == 0 and minor > old_minor)


def _of_schemes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Break]:
    schemes = new["components"].get("securitySchemes", {})
    for name, scheme in old["components"].get("securitySchemes", {}).items():
        pointer = f"/components/securitySchemes/{name}"
        if name not in schemes:
            yield Break(pointer, "was removed")
        elif _unexplained(scheme) != _unexplained(schemes[name]):
            yield Break(pointer, "wants another credential")


def _unexplained(scheme: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scheme.items() if key != "description"}


def _of_paths(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Break]:
    for path, operations in old["paths"].items():
        pointer = _below("/paths", path)
        if path not in new["paths"]:
            yield Break(pointer, "was removed")
            continue
        for method in operations:
            if method not in new["paths"][path]:
                yield Break(f"{pointer}/{method}", "was removed")
            else:
                yield from _Pair(old, new, f"{pointer}/{method}", path, method).breaks()


def _below(pointer: str, *parts: str) -> str:
    return "/".join([pointer, *(part.replace("~", "~0").replace("/", "~1") for part in parts)])


class _Pair:
    """One operation in both documents, at one pointer."""

    def __init__(self, old: dict[str, Any], new: dict[str, Any], pointer: str, path: str, method: str) -> None:
        self._documents = old, new
        self._pointer = pointer
        self._old: Operation = old["paths"][path][method]
        self._new: Operation = new["paths"][path][method]

    def breaks(self) -> Iterator[Break]:
        if self._old["operationId"] != self._new["operationId"]:
            yield Break(f"{self._pointer}/operationId", f"was {self._old['operationId']}, by which clients call it")
        yield from self._of_access()
        yield from self._of_parameters()
        yield from self._of_body()
        yield from self._of_responses()

    def _of_access(self) -> Iterator[Break]:
        for way in self._old.get("security", []):
            if not any(_asks_no_more(each, way) for each in self._new.get("security", [{}])):
                yield Break(f"{self._pointer}/security", f"{way} is not enough any more")
        if self._old.get("x-shop-keys") and not self._new.get("x-shop-keys"):
            yield Break(f"{self._pointer}/x-shop-keys", "is closed to keys that are bound to a shop")

    def _of_parameters(self) -> Iterator[Break]:
        old, new = (
            {(each["in"], each["name"]): number for number, each in enumerate(operation.get("parameters", []))}
            for operation in (self._old, self._new)
        )
        for key, number in old.items():
            pointer = f"{self._pointer}/parameters/{number}"
            if key not in new:
                yield Break(pointer, f"the parameter {key[1]!r} was removed")
            else:
                yield from self._of_schema(pointer, f"{self._pointer}/parameters/{new[key]}", "request")
        for key, number in new.items():
            was = self._old["parameters"][old[key]].get("required", False) if key in old else False
            if self._new["parameters"][number].get("required", False) and not was:
                yield Break(f"{self._pointer}/parameters/{number}", f"the parameter {key[1]!r} is required now")

    def _of_body(self) -> Iterator[Break]:
        pointer = f"{self._pointer}/requestBody"
        old, new = (each.get("requestBody", {}) for each in (self._old, self._new))
        if old and not new:
            yield Break(pointer, "was removed")
            return
        if new.get("required", False) and not old.get("required", False):
            yield Break(pointer, "is required now")
        yield from self._of_content(pointer, old, new, "request")

    def _of_responses(self) -> Iterator[Break]:
        for status, old in self._old["responses"].items():
            pointer = f"{self._pointer}/responses/{status}"
            new = self._new["responses"].get(status)
            if new is None:
                yield Break(pointer, "was removed")
                continue
            for code in sorted(set(old.get("x-codes", [])) - set(new.get("x-codes", []))):
                yield Break(f"{pointer}/x-codes", f"{code!r} was removed")
            for name in sorted(set(old.get("headers", {})) - set(new.get("headers", {}))):
                yield Break(f"{pointer}/headers/{name}", "was removed")
            yield from self._of_content(pointer, old, new, "response")

    def _of_content(self, pointer: str, old: Any, new: Any, direction: Direction) -> Iterator[Break]:
        for media_type in old.get("content", {}):
            place = _below(f"{pointer}/content", media_type)
            if media_type not in new.get("content", {}):
                yield Break(place, "was removed")
            else:
                yield from self._of_schema(place, place, direction)

    def _of_schema(self, old_at: str, new_at: str, direction: Direction) -> Iterator[Break]:
        yield from breaks(*self._documents, f"{old_at}/schema", f"{new_at}/schema", direction)


def _asks_no_more(new: dict[str, list[str]], old: dict[str, list[str]]) -> bool:
    """Whether who satisfied `old` satisfies `new`: no other credential, and no scope beyond."""
    return all(scheme in old and set(scopes) <= set(old[scheme]) for scheme, scopes in new.items())
