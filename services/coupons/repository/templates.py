"""Templates and their versions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from services.coupons.domain import Definition, Stock, Template
from services.coupons.errors import TemplateNotFound
from shared.database import ReadSession, Session, execute, fetch, fetch_one

_ROWS = """
SELECT t.template_id, t.version, t.issued, t.created_at, t.archived_at, v.definition
FROM templates AS t JOIN template_versions AS v USING (template_id, version)
"""


def definition_of(stored: Any) -> Definition:
    return msgspec.convert(stored, Definition)


def _template(row: Any) -> Template:
    return Template(
        template_id=row["template_id"],
        version=row["version"],
        definition=definition_of(row["definition"]),
        issued=row["issued"],
        created_at=row["created_at"],
        archived_at=row["archived_at"],
    )


async def add_template(session: Session, template_id: str, definition: Definition, now: datetime) -> None:
    await execute(
        session, "INSERT INTO templates (template_id, version, created_at) VALUES ($1, 1, $2)", template_id, now
    )
    await _add_definition(session, template_id, 1, definition, now)


async def add_version(session: Session, template: Template, definition: Definition, now: datetime) -> None:
    """The template is what `definition` says from now on; what was issued before keeps its own version."""
    version = template.version + 1
    await execute(session, "UPDATE templates SET version = $2 WHERE template_id = $1", template.template_id, version)
    await _add_definition(session, template.template_id, version, definition, now)


async def _add_definition(
    session: Session, template_id: str, version: int, definition: Definition, now: datetime
) -> None:
    await execute(
        session,
        """INSERT INTO template_versions (template_id, version, definition, created_at)
           VALUES ($1, $2, $3, $4)""",
        template_id,
        version,
        msgspec.json.encode(definition).decode(),
        now,
    )


async def get_template(session: ReadSession, template_id: str) -> Template:
    """Raises TemplateNotFound; an archived one is found."""
    row = await fetch_one(session, f"{_ROWS} WHERE t.template_id = $1", template_id)
    if row is None:
        raise TemplateNotFound(f"there is no template {template_id}")
    return _template(row)


async def lock_template(session: Session, template_id: str) -> Template:
    await execute(session, "SELECT 1 FROM templates WHERE template_id = $1 FOR UPDATE", template_id)
    return await get_template(session, template_id)


async def list_templates(session: ReadSession, archived: bool, after: list[Any] | None, limit: int) -> list[Template]:
    """Those in use, or the archived ones; the oldest first."""
    created_at, template_id = after or (None, None)
    rows = await fetch(
        session,
        f"""{_ROWS} WHERE (t.archived_at IS NOT NULL) = $1
              AND ($2::timestamptz IS NULL OR (t.created_at, t.template_id) > ($2, $3))
            ORDER BY t.created_at, t.template_id LIMIT $4""",
        archived,
        created_at,
        template_id,
        limit,
    )
    return [_template(row) for row in rows]


async def archive_template(session: Session, template_id: str, now: datetime) -> None:
    await execute(
        session,
        "UPDATE templates SET archived_at = $2 WHERE template_id = $1 AND archived_at IS NULL",
        template_id,
        now,
    )


async def lock_stocks(session: Session, template_ids: list[str]) -> dict[str, Stock]:
    """The templates that exist, locked, so that nobody else counts or changes them until this chunk is through."""
    await execute(
        session, "SELECT 1 FROM templates WHERE template_id = ANY($1) ORDER BY template_id FOR UPDATE", template_ids
    )
    rows = await fetch(session, f"{_ROWS} WHERE t.template_id = ANY($1)", template_ids)
    return {
        template.template_id: Stock(
            template_id=template.template_id,
            version=template.version,
            definition=template.definition,
            archived=template.archived_at is not None,
            issued=template.issued,
        )
        for template in map(_template, rows)
    }


async def add_issued(session: Session, counts: Mapping[str, int]) -> None:
    """By template: how many more coupons of it were issued."""
    await execute(
        session,
        """UPDATE templates AS t SET issued = t.issued + n.issued
           FROM unnest($1::text[], $2::bigint[]) AS n(template_id, issued) WHERE t.template_id = n.template_id""",
        list(counts),
        list(counts.values()),
    )
