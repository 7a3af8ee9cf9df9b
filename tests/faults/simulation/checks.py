"""What must be true: at every commit, and in the end."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.faults.simulation.history import Step, foretell
from tests.faults.simulation.services import FIRST, SECOND

if TYPE_CHECKING:
    from tests.faults.simulation.database import Store, Transaction


class Wrong(Exception):
    """A promise is broken."""


def inspect(store: "Store", changes: "Transaction") -> None:
    """I7 and I9, and that a service never believes it is later than the data it has seen."""
    clock = store.tables["clock"][1]["at"]
    for (table, key), row in changes.writes.items():
        old = store.tables[table].get(key)
        if table == "facts" and old is None and row is not None and row["due"] <= clock:
            raise Wrong(f"{store.service}: the fact {key} of {row['due']} arrived when the clock was {clock}")
        if table == "clock" and row is not None and row["at"] < clock:
            raise Wrong(f"{store.service}: the clock went back from {clock} to {row['at']}")
        if table == "inbox" and old is not None and row is not None and row["next_offset"] < old["next_offset"]:
            raise Wrong(f"{store.service}: the position of {key} went back to {row['next_offset']}")


def compare(stores: "dict[str, Store]", steps: list[Step]) -> list[str]:
    """Every fact has exactly one effect, decisions are those foretold, positions account for every record."""
    wrong: list[str] = []
    expected = foretell(steps)
    for service, store in stores.items():
        tables = store.tables
        facts = {key: (row["customer"], row["amount"]) for key, row in tables["facts"].items()}
        decisions = {key: row["figures"] for key, row in tables["decisions"].items()}
        wrong += _differences(f"{service} facts", expected[service]["facts"], facts)
        wrong += _differences(f"{service} decisions", expected[service]["decisions"], decisions)
        totals: Counter[str] = Counter()
        for customer, amount in expected[service]["facts"].values():
            totals[customer] += amount
        found = {customer: row["total"] for customer, row in tables["totals"].items()}
        wrong += _differences(f"{service} totals", dict(totals), found)
        for key, row in tables["inbox"].items():
            if row["first_offset"] + row["applied"] + row["parked"] + row["ticks"] != row["next_offset"]:
                wrong.append(f"{service}: the position of {key} does not add up: {row}")
    values = [{key: row["value"] for key, row in stores[each].tables["states"].items()} for each in (FIRST, SECOND)]
    wrong += _differences("states", *values)
    parked = {row["body"] for row in stores[FIRST].tables["parked"].values()}
    wrong += _differences(
        "parked", {each.body: 1 for step in steps for each in step.told if not each.good}, dict.fromkeys(parked, 1)
    )
    if stores[SECOND].tables["parked"]:
        wrong.append(f"parked by {SECOND}: {stores[SECOND].tables['parked']}")
    return wrong


def _differences(what: str, expected: dict[Any, Any], found: dict[Any, Any]) -> list[str]:
    keys = sorted({*expected, *found}, key=repr)
    return [
        f"{what}: {key} is {found.get(key)!r}, should be {expected.get(key)!r}"
        for key in keys
        if expected.get(key) != found.get(key)
    ]
