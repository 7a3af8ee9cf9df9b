"""Segments, their members, and previews of rules."""

from datetime import datetime

from fastapi import Response

from services.segmentation import actions, repository
from services.segmentation.domain import parse_rule
from services.segmentation.errors import (
    RULE_REFUSALS,
    AtInTheFuture,
    FactUnknownThen,
    RuleTooSlow,
    SegmentNotFound,
)
from services.segmentation.schemas import (
    MemberAnswer,
    PreviewAnswer,
    PreviewBody,
    SampleAnswer,
    SegmentAnswer,
    SegmentBody,
    SegmentChange,
)
from shared.http.door import Now, SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor
from shared.timekeeper import get_clock

router = make_router("segments")


@router.post("/segments", status_code=201, **access("segments:write", *RULE_REFUSALS))
async def create_segment(session: SessionOf, now: Now, body: SegmentBody) -> SegmentAnswer:
    """A new segment; it is filled in the background, which `status` and `progress` show."""
    return SegmentAnswer.of(await actions.create_segment(session, body.name, body.rule, now))


@router.get("/segments", **access("segments:read"))
async def list_segments(session: SessionOf, limit: Limit = 50, cursor: Cursor = None) -> Page[SegmentAnswer]:
    """Segments, the oldest first."""
    after = decode_cursor(cursor, datetime, str)
    rows = await repository.list_segments(session, (after[0], after[1]) if after else None, limit + 1)
    return Page[SegmentAnswer].of(
        rows, limit, key=lambda row: [row["created_at"].isoformat(), row["segment_id"]], item=SegmentAnswer.of
    )


_PREVIEW_REFUSALS = (AtInTheFuture, FactUnknownThen, RuleTooSlow, *RULE_REFUSALS)


@router.post("/segments/preview", **access("segments:read", *_PREVIEW_REFUSALS))
async def preview_segment(session: SessionOf, body: PreviewBody) -> PreviewAnswer:
    """How many customers a rule holds for at the service's clock, or held for at `at`, and up to 10 of them.

    Nothing is stored. As of the past only who had ordered or visited by then is counted; what they spent, how often
    they came and whether they were members is not known of the past.
    """
    clock = await get_clock(session)
    if body.at is not None and body.at > clock:
        raise AtInTheFuture(f"nothing is known after {clock.isoformat()}", pointer="/at")
    past = body.at is not None
    count, samples = await repository.preview(session, parse_rule(body.rule), body.at or clock, past=past)
    return PreviewAnswer(count=count, samples=[SampleAnswer.of(row) for row in samples])


@router.get("/segments/{segment_id}", **access("segments:read", SegmentNotFound))
async def get_segment(session: SessionOf, segment_id: str) -> SegmentAnswer:
    return SegmentAnswer.of(await repository.get_segment(session, segment_id))


@router.patch("/segments/{segment_id}", **access("segments:write", SegmentNotFound, *RULE_REFUSALS))
async def change_segment(session: SessionOf, now: Now, segment_id: str, body: SegmentChange) -> SegmentAnswer:
    """Another name, or another rule, which is the segment's next version."""
    rule = body.rule if "rule" in body.model_fields_set else None
    return SegmentAnswer.of(await actions.change_segment(session, segment_id, body.name or None, rule, now))


@router.delete("/segments/{segment_id}", status_code=204, **access("segments:write", SegmentNotFound))
async def delete_segment(session: SessionOf, now: Now, segment_id: str) -> Response:
    """The segment is gone; its members leave at the next ticks."""
    await actions.delete_segment(session, segment_id, now)
    return Response(status_code=204)


@router.get("/segments/{segment_id}/members", **access("segments:read", SegmentNotFound))
async def list_members(
    session: SessionOf, segment_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[MemberAnswer]:
    await repository.get_segment(session, segment_id)
    after = decode_cursor(cursor, str)
    rows = await repository.list_members(session, segment_id, after[0] if after else None, limit + 1)
    return Page[MemberAnswer].of(
        rows, limit, key=lambda row: [row["customer_id"]], item=lambda row: MemberAnswer(**dict(row))
    )
