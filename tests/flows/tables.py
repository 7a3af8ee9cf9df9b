"""The business tables of a whole system as plain rows, so that two runs can be compared."""

from typing import Any

from deploy.local.names import SERVICES
from shared.database import connect
from tools.verify.rebuilt import PLUMBING

# Versions are a clock of their own machine, and who told a field last of two equal tellings is no fact.
_VERSIONS = ("version", "campaign_version", "rule_versions", "stage_version")
# By which tick it was told last is the version of a stage and of a membership, for those who hear of it.
_TOLD_LAST = {
    ("known_customers", "stage_decided_at"),
    ("known_memberships", "decided_at"),
    ("stages", "decided_at"),
}


async def snapshot(environment: dict[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """`service.table` → its rows, sorted; versions, creation instants and numbers of sequences left out."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for service in SERVICES:
        connection = await connect(environment[f"COMEBACK_{service.upper()}_DATABASE_URL"])
        for table, columns in (await _tables(connection)).items():
            rows = await connection.fetch(f"SELECT {', '.join(columns)} FROM {table}")
            found[f"{service}.{table}"] = sorted(map(tuple, rows), key=repr)
        await connection.close()
    return found


async def _tables(connection: Any) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for row in await connection.fetch(
        # Numbers that a sequence gives: what is rolled back leaves gaps in them.
        """SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'
           AND is_identity = 'NO' AND coalesce(column_default, '') NOT LIKE 'nextval(%'
           ORDER BY table_name, ordinal_position"""
    ):
        if row["table_name"] in PLUMBING or (row["table_name"], row["column_name"]) in _TOLD_LAST:
            continue
        if row["column_name"] not in (*_VERSIONS, "created_at", "updated_at"):
            column = f'"{row["column_name"]}"'
            if row["data_type"] == "jsonb" and row["column_name"] == "definition":
                column = f"{column} - '{{version,created_at,updated_at}}'::text[]"
            tables.setdefault(row["table_name"], []).append(column)
    return tables


def differences(one: dict[str, list[tuple[Any, ...]]], other: dict[str, list[tuple[Any, ...]]]) -> list[str]:
    """The first row that differs of each table that does."""
    found: list[str] = []
    for table in sorted(one.keys() | other.keys()):
        left, right = one.get(table, []), other.get(table, [])
        if left != right:
            lacking = [row for row in left if row not in right][:1]
            added = [row for row in right if row not in left][:1]
            found.append(f"{table}: {len(left)} rows against {len(right)}; lacks {lacking}, has instead {added}")
    return found
