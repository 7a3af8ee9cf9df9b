"""Which events the code of a service makes: their classes, where they are used as values and not only as types."""

import ast
import importlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from shared.events import Event


@cache
def made(package: str, events: tuple[type[Event], ...]) -> frozenset[type[Event]]:
    """Those of the events that some file of the package makes. What a service hears stands in its `consumers.py`."""
    folder = Path(importlib.import_module(package).__path__[0])
    paths = [path for path in folder.rglob("*.py") if path.name != "consumers.py"]
    names = {name for path in paths for name in values(ast.parse(path.read_text()))}
    return frozenset(event for event in events if event.__name__ in names)


def values(node: ast.AST) -> Iterator[str]:
    """The names that stand where a value is made or passed on, with what stands in front of their last dot left out."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    for child in _but_types(node):
        yield from values(child)


def _but_types(node: ast.AST) -> Iterable[ast.AST]:
    """What is below a node, without annotations, aliases of types and questions for a type."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "cast"):
        return []
    types = {id(getattr(node, name, None)) for name in ("annotation", "returns")}
    if isinstance(node, ast.Subscript):
        types.add(id(node.slice))
    return [child for child in ast.iter_child_nodes(node) if id(child) not in types]
