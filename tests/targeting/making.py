"""What the tests of targeting are made of: events of others, campaigns, and a clock that is moved by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.targeting import actions
from services.targeting.consumers import consumers
from services.targeting.domain import Audience, Campaign, Kind, Status, Trigger
from services.targeting.timers import on_tick
from shared import outbox
from shared.database import Database
from shared.events import Event
from shared.events.profile import Profile, ProfileUpdated
from shared.events.segmentation import LifecycleStageChanged, Membership, SegmentEntered, SegmentLeft, StageChange
from shared.events.targeting import DecisionMade
from shared.ids import draw
from tests.support import doing
from tests.support.doing import IDS

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

SILENT = Audience(Kind.STAGE, name="silent")
SEGMENT = Audience(Kind.SEGMENT, name="seg_1")


def listed(size: int, platform: str = "web") -> Audience:
    return Audience(Kind.LIST, platform=platform, size=size)


def campaign(audience: Audience = SILENT, trigger: Trigger | None = None, **fields: Any) -> Campaign:
    """A campaign that waits for entries, or, with a list, is scheduled at its start."""
    if trigger is None:
        trigger = Trigger.SCHEDULED if audience.kind is Kind.LIST else Trigger.ENTERED
    made = Campaign(
        campaign_id=draw("cmp"),
        name="Recall",
        template_id="tpl_1",
        goal="recall",
        audience=audience,
        starts_at=T0,
        trigger=trigger,
        channel="push",
        business_line="grocery",
        created_at=T0,
        holdout=0.0,
        priority=0,
        attribution_days=14,
        max_cause_age_hours=48,
        anti_harassment=True,
    )
    return replace(made, **fields)


class World:
    """Targeting on a database of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def create(self, wanted: Campaign, source_ids: Sequence[str] = ()) -> Campaign:
        return await self.do(actions.create_campaign, wanted, list(source_ids))

    async def start(self, wanted: Campaign, source_ids: Sequence[str] = (), now: datetime = T0) -> Campaign:
        created = await self.create(wanted, source_ids)
        return await self.do(actions.start_campaign, created.campaign_id, now)

    async def do(self, action: Any, *args: Any) -> Any:
        """One action as an HTTP request does it."""
        async with self.database.transaction() as session:
            session.info.update({"service": "targeting", "ids": IDS})
            answer = await action(session, *args)
            await outbox.flush(session)
        return answer

    async def hear(self, *events: Event) -> None:
        await doing.apply(self.database, "targeting", consumers, events)

    async def tick(self, at: datetime) -> None:
        await doing.tick(self.database, "targeting", on_tick, at)

    async def told(self) -> list[Event]:
        return await doing.told(self.database)

    async def decided(self) -> list[Any]:
        """The decisions told since the last time, in the order in which they were told."""
        return [event.data for event in await self.told() if isinstance(event, DecisionMade)]

    async def rows(self, sql: str, *args: Any) -> list[dict[str, Any]]:
        return await doing.rows(self.database, sql, *args)

    async def decisions(self) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM decisions ORDER BY number")

    async def status(self, campaign_id: str) -> Status:
        (row,) = await self.rows("SELECT status FROM campaigns WHERE campaign_id = $1", campaign_id)
        return Status(row["status"])


def customer(source_id: str, platform: str = "web") -> str:
    """The id that profile gives to whom a platform knows by this id."""
    return IDS.derive("cus", platform, "source_id", source_id)


def known(source_id: str, version: int = 1, **facts: Any) -> ProfileUpdated:
    data = Profile(customer_id=customer(source_id), version=version, platform="web", source_id=source_id, **facts)
    return ProfileUpdated(id=f"{data.customer_id}:{version}", source="profile", time=T0, data=data)


def staged(
    who: str, stage: str | None, at: datetime, told_at: datetime, *, current: bool = True, corrects_past: bool = False
) -> LifecycleStageChanged:
    """`who` came into `stage` at `at`, as segmentation tells it at its tick `told_at`."""
    change = StageChange(
        change_id=f"chg:{who}:{stage}:{at.isoformat()}",
        customer_id=who,
        model="default",
        model_version=3,
        caused_at=at,
        decided_at=told_at,
        current=current,
        corrects_past=corrects_past,
        to_stage=stage,
    )
    return LifecycleStageChanged(id=change.change_id, source="segmentation", time=told_at, data=change)


def _membership(who: str, at: datetime, told_at: datetime, backfilled: bool) -> Membership:
    return Membership(
        segment_id="seg_1",
        segment_version=7,
        customer_id=who,
        caused_at=at,
        decided_at=told_at,
        backfilled=backfilled,
    )


def entered(who: str, at: datetime, told_at: datetime, *, backfilled: bool = False) -> SegmentEntered:
    data = _membership(who, at, told_at, backfilled)
    return SegmentEntered(id=f"in:{who}:{at.isoformat()}", source="segmentation", time=told_at, data=data)


def left(who: str, at: datetime, told_at: datetime) -> SegmentLeft:
    data = _membership(who, at, told_at, False)
    return SegmentLeft(id=f"out:{who}:{at.isoformat()}", source="segmentation", time=told_at, data=data)
