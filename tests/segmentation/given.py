"""What the tests of segmentation tell it, and how they look at what came out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from services.segmentation import actions
from services.segmentation.consumers import consumers
from services.segmentation.timers import on_piece, on_tick
from shared.database import Database
from shared.events import Event
from shared.events.profile import OrderCancelled, OrderPaid, OrderRefunded, OrderState, Profile, ProfileUpdated, Spend
from shared.events.segmentation import LifecycleStageChanged, SegmentEntered, SegmentLeft
from tests.support import doing

T0 = datetime(2026, 1, 1, tzinfo=UTC)
TICK_PIECE = 10_000


def day(number: float) -> datetime:
    return T0 + timedelta(days=number)


def order(
    number: int,
    at: float | datetime | None,
    customer: str = "anna",
    *,
    version: int = 1,
    counted: bool = True,
    kind: type[OrderPaid] | type[OrderRefunded] | type[OrderCancelled] = OrderPaid,
) -> Event:
    paid_at = day(at) if isinstance(at, int | float) else at
    return kind(
        id=f"o{number}:{version}",
        source="profile",
        time=T0,
        data=OrderState(
            order_key=f"o{number}",
            version=version,
            customer_id=customer,
            shop_id="s1",
            order_id=f"{number}",
            currency="USD",
            amount=1000,
            refunded_amount=0,
            counted=counted,
            paid_at=paid_at,
        ),
    )


def profile(customer: str = "anna", version: int = 1, **facts: Any) -> ProfileUpdated:
    facts = {"platform": "web", "source_id": customer, **facts}
    return ProfileUpdated(
        id=f"{customer}:{version}",
        source="profile",
        time=T0,
        data=Profile(customer_id=customer, version=version, **facts),
    )


@dataclass
class Shop:
    """Tells of orders and visits the way profile does: the order, and then all facts of the customer anew."""

    version: int = 0
    orders: dict[str, list[tuple[datetime, int]]] = field(default_factory=dict[str, list[tuple[datetime, int]]])
    visits: dict[str, list[datetime]] = field(default_factory=dict[str, list[datetime]])
    members: set[str] = field(default_factory=set[str])

    def buys(self, customer: str, at: float, amount: int = 1000) -> list[Event]:
        self.version += 1
        self.orders.setdefault(customer, []).append((day(at), amount))
        return [order(self.version, at, customer), self.tells(customer)]

    def visits_at(self, customer: str, at: float) -> list[Event]:
        self.visits.setdefault(customer, []).append(day(at))
        return [self.tells(customer)]

    def tells(self, customer: str) -> ProfileUpdated:
        self.version += 1
        orders, visits = sorted(self.orders.get(customer, [])), sorted(self.visits.get(customer, []))
        paid = sum(amount for _, amount in orders)
        return profile(
            customer,
            self.version,
            orders=len(orders),
            member=customer in self.members,
            visits=len(visits),
            spend=[Spend(currency="USD", orders=len(orders), paid_amount=paid)] if orders else [],
            first_order_at=orders[0][0] if orders else None,
            last_order_at=orders[-1][0] if orders else None,
            first_visit_at=visits[0] if visits else None,
            last_visit_at=visits[-1] if visits else None,
        )


async def apply(database: Database, *events: Event) -> None:
    await doing.apply(database, "segmentation", consumers, events)


async def tick(database: Database, at: float | datetime) -> None:
    at = at if isinstance(at, datetime) else day(at)
    await doing.tick(database, "segmentation", on_tick, at, on_piece, tick_piece=TICK_PIECE)


async def make_segment(database: Database, rule: dict[str, Any], name: str = "a segment") -> str:
    async with database.transaction() as session:
        session.info["ids"] = doing.IDS
        return (await actions.create_segment(session, name, rule, T0))["segment_id"]


async def history(database: Database, customer: str = "anna") -> list[tuple[float, str]]:
    """Days and stages."""
    found = await doing.rows(
        database, "SELECT since, stage FROM lifecycle_history WHERE customer_id = $1 ORDER BY since", customer
    )
    return [(in_days(row["since"]), row["stage"]) for row in found]


def in_days(at: datetime) -> float:
    return (at - T0) / timedelta(days=1)


async def members(database: Database, segment_id: str) -> set[str]:
    found = await doing.rows(database, "SELECT customer_id FROM memberships WHERE segment_id = $1", segment_id)
    return {row["customer_id"] for row in found}


def stage_changes(events: Sequence[Event]) -> list[tuple[float, str | None, bool, bool]]:
    """Of each `lifecycle.stage_changed`: day of the cause, stage, current, corrects_past."""
    found = [event.data for event in events if isinstance(event, LifecycleStageChanged)]
    return [(in_days(told.caused_at), told.to_stage, told.current, told.corrects_past) for told in found]


def flips(events: Sequence[Event]) -> list[tuple[str, str, float, bool]]:
    """Of each `segment.entered` and `segment.left`: which, who, day of the cause, backfilled."""
    return [
        (
            "entered" if isinstance(event, SegmentEntered) else "left",
            told.customer_id,
            in_days(told.caused_at),
            told.backfilled,
        )
        for event in events
        if isinstance(event, SegmentEntered | SegmentLeft)
        for told in [event.data]
    ]
