"""Templates: what coupons are made of."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Response

from services.coupons import actions, repository
from services.coupons.errors import TemplateArchived, TemplateInvalid, TemplateNotFound
from services.coupons.schemas.templates import TemplateAnswer, TemplateBody, TemplateChange
from shared.http.door import Now, SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("templates")


@router.post("/templates", status_code=201, **access("coupons:write", TemplateInvalid))
async def create_template(session: SessionOf, now: Now, body: TemplateBody) -> TemplateAnswer:
    return TemplateAnswer.of(await actions.create_template(session, body.definition(), now))


@router.get("/templates", **access("coupons:read"))
async def list_templates(
    session: SessionOf,
    archived: Annotated[bool, Query(description="the archived ones instead of those in use")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TemplateAnswer]:
    """The oldest first."""
    templates = await repository.list_templates(session, archived, decode_cursor(cursor, datetime, str), limit + 1)
    return Page[TemplateAnswer].of(
        templates, limit, key=lambda each: [each.created_at.isoformat(), each.template_id], item=TemplateAnswer.of
    )


@router.get("/templates/{template_id}", **access("coupons:read", TemplateNotFound))
async def get_template(session: SessionOf, template_id: str) -> TemplateAnswer:
    return TemplateAnswer.of(await repository.get_template(session, template_id))


@router.patch(
    "/templates/{template_id}", **access("coupons:write", TemplateNotFound, TemplateArchived, TemplateInvalid)
)
async def change_template(session: SessionOf, now: Now, template_id: str, body: TemplateChange) -> TemplateAnswer:
    """Makes a new version; coupons that were issued keep the one they were issued from."""
    return TemplateAnswer.of(await actions.change_template(session, template_id, body.changes(), now))


@router.delete("/templates/{template_id}", status_code=204, **access("coupons:write", TemplateNotFound))
async def archive_template(session: SessionOf, now: Now, template_id: str) -> Response:
    """Nothing is issued from it any more; its coupons stay valid."""
    await actions.archive_template(session, template_id, now)
    return Response(status_code=204)
