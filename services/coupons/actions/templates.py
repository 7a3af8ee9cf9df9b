"""Templates: made, changed, archived by people."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from services.coupons import repository
from services.coupons.domain import Definition, Template, check_definition
from services.coupons.errors import TemplateArchived
from shared.database import Session
from shared.ids import new_id


async def create_template(session: Session, definition: Definition, now: datetime) -> Template:
    """A new template, version 1, exists. Refused when its fields contradict each other."""
    check_definition(definition)
    template_id = new_id(session.info, "tpl")
    await repository.add_template(session, template_id, definition, now)
    return await repository.get_template(session, template_id)


async def change_template(session: Session, template_id: str, changes: dict[str, Any], now: datetime) -> Template:
    """The template has a new version with these fields; coupons that were issued keep theirs.

    Nothing new to say makes no version. Refused when archived, or when the fields contradict each other."""
    template = await repository.lock_template(session, template_id)
    if template.archived_at is not None:
        raise TemplateArchived("this template is archived: make a new one")
    definition = replace(template.definition, **changes)
    check_definition(definition)
    if definition != template.definition:
        await repository.add_version(session, template, definition, now)
    return await repository.get_template(session, template_id)


async def archive_template(session: Session, template_id: str, now: datetime) -> None:
    """Nothing is issued from it any more; coupons that were issued stay what they are. Archiving twice is once."""
    await repository.lock_template(session, template_id)
    await repository.archive_template(session, template_id, now)
