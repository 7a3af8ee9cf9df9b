"""Our own rules, where no tool has one: each takes a piece of the tree and says what breaks the rule."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from shared.events import producer_of
from shared.events.codec import EVENTS

ROOT = Path(__file__).parents[2]
SERVICES = tuple(sorted(path.parent.name for path in (ROOT / "services").glob("*/__init__.py")))
REQUIRED = {
    *(
        "app",
        "worker",
        "settings",
        "routes",
        "consumers",
        "timers",
        "schemas",
        "actions",
        "repository",
        "requests.http",
        "models",
    ),
    *("domain", "errors", "migrations", "requests.http"),
}
OPTIONAL = {"clients"}
_RUNS_SQL = {"execute", "fetch", "fetch_one", "fetch_value", "exec_driver_sql", "text"}
PRODUCERS = {event.__name__: producer_of(event) for event in EVENTS}


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Each Python file under the folders, by its path from the root."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def ends_of_transactions(tree: ast.AST) -> list[str]:
    """Nobody commits or rolls back outside shared/, in SQL neither: only the door does."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("commit", "rollback"):
            found.append(f"line {node.lineno}: .{node.attr}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _RUNS_SQL:
            for each in node.args:
                if isinstance(each, ast.Constant) and re.match(
                    r"\s*(commit|rollback)\b", str(each.value), re.IGNORECASE
                ):
                    found.append(f"line {node.lineno}: {each.value}")
    return found


def foreign_events(tree: ast.AST, service: str) -> list[str]:
    """A service makes only events whose producer it is."""
    imports = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    meant = {alias.asname: alias.name for alias in imports if alias.asname}
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            event = meant.get(called, called)
            if PRODUCERS.get(event, service) != service:
                found.append(f"line {node.lineno}: {event} is {PRODUCERS[event]}'s")
    return found


def odd_files(names: set[str]) -> list[str]:
    """All services have the same files, or packages of those names."""
    missing = [f"{name} is missing" for name in sorted(REQUIRED - names)]
    return missing + [f"{name} is no file of a service" for name in sorted(names - REQUIRED - OPTIONAL)]


def files_of(service: Path) -> set[str]:
    return {path.name.removesuffix(".py") for path in service.iterdir()} - {"__init__", "__pycache__"}


def odd_consumers(tree: ast.AST) -> list[str]:
    """The function that takes CouponRedeemed is called on_coupon_redeemed."""
    found: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.AsyncFunctionDef):
            continue
        for event in re.findall(r"consumers\.on\((?:\w+\.)*(\w+)\)", " ".join(map(ast.unparse, node.decorator_list))):
            wanted = "on" + re.sub(r"([A-Z])", r"_\1", event).lower()
            if node.name != wanted:
                found.append(f"line {node.lineno}: {node.name} takes {event}, so it is called {wanted}")
    return found


def foreign_imports(tree: ast.AST, *allowed: str) -> list[str]:
    """Only the standard library and what is named: `allowed` are modules, or packages with all that is in them."""
    found: list[str] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            known = name.split(".")[0] in sys.stdlib_module_names
            if not known and not any(f"{name}.".startswith(f"{each}.") for each in allowed):
                found.append(f"line {node.lineno}: {name}")  # pyright: ignore[reportAttributeAccessIssue]
    return found
