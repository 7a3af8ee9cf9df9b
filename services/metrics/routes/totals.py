"""The whole business in figures, and what figures mean."""

from typing import Annotated

from fastapi import Query

from services.metrics import repository
from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.figures import STAGES
from services.metrics.domain.periods import By, zones
from services.metrics.errors import RangeInvalid, ZoneUnknown
from services.metrics.schemas import DefinitionAnswer, OverviewAnswer, PeriodAnswer, SalesAnswer, StagesAnswer
from shared.http.door import CallerOf, SessionOf, access
from shared.http.door import router as make_router
from shared.http.fields import Instant, Text

router = make_router("metrics")

Zone = Annotated[str, Query(max_length=64, description="IANA name", examples=["America/New_York"])]


@router.get("/metrics/sales", **access("metrics:read", ZoneUnknown, RangeInvalid, shop_keys=True))
async def get_sales(
    session: SessionOf,
    caller: CallerOf,
    by: By = "day",
    zone: Zone = "UTC",
    since: Annotated[Instant | None, Query(alias="from", description="only orders paid at or after")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="only orders paid before")] = None,
) -> SalesAnswer:
    """Counted orders by the local period in which they were paid; a key bound to a shop sees that shop's."""
    if zone not in zones():
        raise ZoneUnknown(f"there is no time zone {zone!r}", pointer="/zone")
    if since is not None and until is not None and until <= since:
        raise RangeInvalid("`to` must be later than `from`", pointer="/to")
    clock = await repository.get_clock(session)
    rows = await repository.list_sales(session, by, zone, caller.shop_id, since, until)
    return SalesAnswer(at=clock, by=by, zone=zone, data=[PeriodAnswer.of(row) for row in rows])


@router.get("/metrics/stages", **access("metrics:read"))
async def get_stages(session: SessionOf, model: Annotated[Text, Query()] = "default") -> StagesAnswer:
    """MT15: how many customers are in each stage of a lifecycle model."""
    clock = await repository.get_clock(session)
    counts = await repository.get_stage_counts(session, model)
    return StagesAnswer(at=clock, counts=dict.fromkeys(STAGES, 0) | counts)


@router.get("/metrics/overview", **access("metrics:read"))
async def get_overview(session: SessionOf) -> OverviewAnswer:
    """The totals over all customers, orders, coupons and campaigns."""
    clock = await repository.get_clock(session)
    whole, _ = await repository.get_brought(session, None, clock)
    return OverviewAnswer.of(
        clock,
        await repository.get_totals(session),
        await repository.get_sales(session),
        whole,
        await repository.get_statuses(session),
        await repository.get_recalls(session, clock),
    )


_ONE = {"audience": DEFINITIONS["audience"]._asdict()}


@router.get(
    "/metrics/definitions",
    responses={200: {"content": {"application/json": {"example": _ONE}}}},
    **access("metrics:read", shop_keys=True),
)
async def list_definitions() -> dict[str, DefinitionAnswer]:
    """What each figure means, by its path in the answers."""
    return {name: DefinitionAnswer.of(each) for name, each in DEFINITIONS.items()}
