"""I6, the comparison: every table that is made of events alone, with all its columns, live and rebuilt."""

from dataclasses import dataclass, replace
from typing import Any

from tools.verify.checks import Between, Finding, Side
from tools.verify.rebuilding import REBUILT, Show, rebuilt, why_not
from tools.verify.system import View

# The runtime's own tables.
PLUMBING = {"inbox", "outbox", "clock", "parked", "idempotency_keys", "api_keys", "alembic_version"}
# Segments are made over HTTP, and who is in them depends on when; marks are gone when the clock has moved.
_NOT_OF_EVENTS = {"segments", "segment_versions", "memberships", "memberships_due", "marks"}
# Profile gives its rows versions by the wall clock of the moment.
_NOT_OF_FACTS = {("profile", "version")}

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
_PARKED = "SELECT topic, partition, record_offset FROM parked"


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
        if reason := await why_not(view, self.service):
            return Finding(skipped=reason)
        async with rebuilt(view, self.service, self.show) as again:
            live = view.databases[self.service]
            if reason := await _retried(live, again):
                return Finding(skipped=reason)
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
        return Between("I6", table, tuple(key), Side(self.service, rows), Side(self._again, rows), both=True)


def checks(show: Show) -> list[AsTheLogSays]:
    return [AsTheLogSays(service, show) for service in REBUILT]


async def _retried(live: Any, again: Any) -> str | None:
    """What was parked and has been applied since did so in a form, or by code, that the log does not have."""
    parked, still = set(map(tuple, await again.fetch(_PARKED))), set(map(tuple, await live.fetch(_PARKED)))
    if not parked - still:
        return None
    topic, partition, offset = min(parked - still)
    return f"{topic}/{partition} {offset} was parked and has been retried since: the log does not say what it did"
