"""How many customers are in each lifecycle stage, as of any instant, and how many went from which to which."""

from typing import Annotated

from fastapi import Query

from services.segmentation import repository
from services.segmentation.domain import Stage
from services.segmentation.errors import AtInTheFuture
from services.segmentation.schemas import CountsAnswer, TransitionAnswer, TransitionsAnswer
from shared.http.door import SessionOf, access
from shared.http.door import router as make_router
from shared.http.fields import Instant
from shared.timekeeper import get_clock

router = make_router("lifecycle")


@router.get("/lifecycle/counts", **access("segments:read", AtInTheFuture))
async def count_stages(
    session: SessionOf,
    at: Annotated[Instant | None, Query(description="the service's clock, unless told")] = None,
) -> CountsAnswer:
    """Customers by stage as of `at`, with all that is known now."""
    clock = await get_clock(session)
    if at is not None and at > clock:
        raise AtInTheFuture(f"nothing is known after {clock.isoformat()}", pointer="/at")
    counts = await repository.count_stages(session, at or clock)
    return CountsAnswer(at=at or clock, counts={stage: counts.get(stage, 0) for stage in Stage})


@router.get("/lifecycle/transitions", **access("segments:read"))
async def count_transitions(
    session: SessionOf,
    start: Annotated[Instant | None, Query(alias="from", description="steps at or after it")] = None,
    end: Annotated[Instant | None, Query(alias="to", description="steps before it")] = None,
) -> TransitionsAnswer:
    """Steps from stage to stage in `[from, to)`, with all that is known now."""
    rows = await repository.count_transitions(session, start, end)
    return TransitionsAnswer(
        data=[
            TransitionAnswer(from_stage=row["from_stage"], to_stage=row["to_stage"], count=row["changes"])
            for row in rows
        ]
    )
