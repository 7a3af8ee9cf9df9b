"""I6, the comparison: every table that is made of events alone, with all its columns, live and rebuilt."""

from dataclasses import dataclass, replace
from typing import Any

from deploy.local.errors import StackError
from tools.verify.checks import Between, Finding, Side
from tools.verify.rebuilding import REBUILT, Show, rebuilt, why_not
from tools.verify.system import View

# The runtime's own tables.
PLUMBING = {"inbox", "outbox", "clock", "parked", "idempotency_keys", "api_keys", "alembic_version"}
# Segments are made over HTTP, and who is in them depends on when; marks are plumbing.
_NOT_OF_EVENTS = {"segments", "segment_versions", "memberships", "memberships_due", "marks"}
# Profile gives its rows versions by the wall clock of the moment. When somebody was looked at last, without effect,
# depends on how records were grouped into batches.
_NOT_OF_FACTS = {("profile", "version"), ("segmentation", "evaluated_at")}
# Which rows are compared. Some say nothing, and some batches leave them and others do not: nothing spent, no stage; and
# orders of which nobody has told what they were, whose customer is the first one heard. When somebody is due whose next
# order is ahead of the clock depends on batches too, until it is not ahead any more.
_COMPARED = {
    "customer_spend": "orders <> 0 OR paid_amount <> 0",
    "lifecycle_states": """stage IS NOT NULL AND customer_id NOT IN (
        SELECT customer_id FROM known_orders WHERE paid_at > (SELECT at FROM clock))""",
    "orders": "currency IS NOT NULL",
}

_COLUMNS = """
SELECT c.table_name, c.column_name, k.column_name IS NOT NULL AS in_key
FROM information_schema.columns AS c
LEFT JOIN information_schema.table_constraints AS t
     ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.constraint_type = 'PRIMARY KEY'
LEFT JOIN information_schema.key_column_usage AS k
     ON k.constraint_schema = t.constraint_schema AND k.constraint_name = t.constraint_name
        AND k.column_name = c.column_name
WHERE c.table_schema = 'public' AND c.table_name <> ALL($1) ORDER BY c.table_name, c.ordinal_position
"""
# Single events of a batch over HTTP are parked under a topic that no log has.
_PARKED = "SELECT topic, partition, record_offset FROM parked WHERE topic <> 'http'"
_BEGUN = "SELECT topic, partition, first_offset FROM inbox"


@dataclass(frozen=True, slots=True)
class AsTheLogSays:
    """A service's tables against those that its own code has made of the log."""

    service: str
    show: Show
    invariant: str = "I6"

    @property
    def what(self) -> str:
        return f"{self.service}'s tables are what the log makes of them"

    async def run(self, view: View) -> Finding:
        try:
            if reason := await why_not(view, self.service):
                return Finding(skipped=reason)
            async with rebuilt(view, self.service, self.show) as again:
                live = view.databases[self.service]
                if reason := await _parked_apart(live, again) or await _begun_later(live, again):
                    return Finding(skipped=reason)
                return await self._compare(view, again)
        except StackError as error:
            # What was found before it is worth more than that this could not be looked at.
            return Finding(skipped=str(error))

    async def _compare(self, view: View, again: Any) -> Finding:
        both = replace(view, databases=view.databases | {self._again: again})
        compared = 0
        for check in await self._tables(again):
            finding = await check.run(both)
            compared += finding.compared
            if finding.wrong:
                return Finding(compared, f"{check.what}: {finding.wrong}")
        return Finding(compared)

    @property
    def _again(self) -> str:
        return f"{self.service} as rebuilt"

    async def _tables(self, again: Any) -> list[Between]:
        keys: dict[str, list[str]] = {}
        names: dict[str, list[str]] = {}
        for table, column, in_key in await again.fetch(_COLUMNS, list(PLUMBING | _NOT_OF_EVENTS)):
            if in_key:
                keys.setdefault(table, []).append(column)
            if (self.service, column) not in _NOT_OF_FACTS:
                names.setdefault(table, []).append(column)
        return [self._same(table, keys[table], columns) for table, columns in names.items()]

    def _same(self, table: str, key: list[str], names: list[str]) -> Between:
        # As text: no instant is too far away for it, and every type has an order.
        rows = f"SELECT {', '.join(f'{name}::text' for name in names)} FROM {table}"
        rows += f" WHERE {_COMPARED.get(table, 'true')}"
        return Between("I6", table, tuple(key), Side(self.service, rows), Side(self._again, rows), both=True)


def checks(show: Show) -> list[AsTheLogSays]:
    return [AsTheLogSays(service, show) for service in REBUILT]


async def _parked_apart(live: Any, again: Any) -> str | None:
    """What is parked in one of them only was applied in the other, in a form or by code that the log does not have."""
    here = set(map(tuple, await live.fetch(_PARKED)))
    there = set(map(tuple, await again.fetch(_PARKED)))
    if here == there:
        return None
    topic, partition, offset = found = min(here ^ there)
    return f"{topic}/{partition} {offset} is parked {'here' if found in here else 'when rebuilt'} only"


async def _begun_later(live: Any, again: Any) -> str | None:
    """A part of the log may have been deleted between the look at its beginning and the reading."""
    begun = {(topic, partition): offset for topic, partition, offset in await live.fetch(_BEGUN)}
    for topic, partition, offset in await again.fetch(_BEGUN):
        if offset > begun.get((topic, partition), 0):
            return f"the log is not whole any more: {topic}/{partition} has lost its beginning meanwhile"
    return None
