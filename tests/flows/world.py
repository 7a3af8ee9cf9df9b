"""A small seeded shop, told to a running system day by day, paced by ticks as the replay is."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.storefront import Coupons, Doors, Http, Storefront
from shared import topics
from shared.events import Event
from shared.events.storefront import (
    Identification,
    Order,
    OrderReference,
    Person,
    Refund,
    StorefrontCustomerIdentified,
    StorefrontOrderCancelled,
    StorefrontOrderCompleted,
    StorefrontOrderPlaced,
    StorefrontOrderRefunded,
    StorefrontVisitRecorded,
    Visit,
)

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SHOPS = ("north", "south")

Told = tuple[str, str, Event]


@dataclass
class Shop:
    """What happens, drawn once from the seed: the same seed is the same history."""

    seed: int
    customers: int = 40
    days: int = 75
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(10**9)))

    def history(self) -> list[list[Told]]:
        """The events of each day. Every third customer stops buying half way, so that somebody falls silent."""
        dice = random.Random(self.seed)
        days: list[list[Told]] = [[] for _ in range(self.days)]
        for number in range(self.customers):
            eager = dice.uniform(0.03, 0.5)
            until = self.buys_until(number)
            days[0].append(self._identified(number))
            for day in range(until):
                if dice.random() < eager:
                    self._happen(dice, days, number, day)
        for day in days:
            dice.shuffle(day)
        return days

    def buys_until(self, number: int) -> int:
        """The day after which a customer is not seen any more."""
        return self.days // 3 if number % 3 == 0 else self.days

    def is_till_open(self, day: int) -> bool:  # noqa: ARG002  other shops close
        """Whether coupons are used on this day."""
        return True

    def _happen(self, dice: random.Random, days: list[list[Told]], number: int, day: int) -> None:
        at = START + day * DAY + timedelta(seconds=dice.randrange(1, 86_000))
        days[day].append(self._visit(number, at))
        if dice.random() < 0.3:
            return
        order = self._order(dice, number)
        days[day].append(self._placed(order, at))
        paid = (topics.STOREFRONT_ORDERS, f"c{number}", self._paid(order, at + timedelta(seconds=60)))
        days[day].append(paid)
        if dice.random() < 0.1:
            days[day].append(paid)
        if dice.random() < 0.15:
            later = min(self.days - 1, day + dice.randrange(0, 20))
            days[later].append(self._undone(dice, order, at + (later - day) * DAY + timedelta(seconds=120)))

    def _event(self, at: datetime) -> dict[str, Any]:
        return {"id": f"e{next(self.numbers)}", "source": "world", "time": at}

    def _identified(self, number: int) -> Told:
        data = Identification(person=_person(number), shop_id=SHOPS[0], member=number % 2 == 0)
        return topics.STOREFRONT_IDENTITIES, f"c{number}", StorefrontCustomerIdentified(**self._event(START), data=data)

    def _visit(self, number: int, at: datetime) -> Told:
        event = StorefrontVisitRecorded(**self._event(at), data=Visit(person=_person(number), shop_id=SHOPS[0]))
        return topics.STOREFRONT_VISITS, f"c{number}", event

    def _order(self, dice: random.Random, number: int) -> Order:
        return Order(
            person=_person(number),
            shop_id=dice.choice(SHOPS),
            order_id=f"o{next(self.numbers)}",
            total=dice.randrange(0, 20_000),
            currency="USD",
        )

    def _placed(self, order: Order, at: datetime) -> Told:
        event = StorefrontOrderPlaced(**self._event(at), data=order)
        return topics.STOREFRONT_ORDERS, order.person.source_id or "", event

    def _paid(self, order: Order, at: datetime) -> Event:
        return StorefrontOrderCompleted(**self._event(at), data=order)

    def _undone(self, dice: random.Random, order: Order, at: datetime) -> Told:
        named: dict[str, Any] = {"person": order.person, "shop_id": order.shop_id, "order_id": order.order_id}
        if dice.random() < 0.3:
            event: Event = StorefrontOrderCancelled(**self._event(at), data=OrderReference(**named))
        else:
            amount = dice.choice([None, order.total // 3])
            data = Refund(**named, refund_id=f"r{next(self.numbers)}", amount=amount)
            event = StorefrontOrderRefunded(**self._event(at), data=data)
        return topics.STOREFRONT_ORDERS, order.person.source_id or "", event


def _person(number: int) -> Person:
    return Person(source_id=f"c{number}")


def template_body(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "kind": name,
        "discount": {"type": "amount_off", "amount": 500, "currency": "USD"},
        "uses": 1,
        "validity": {"type": "relative", "days": 14},
        "subsidy": {"platform_share": 60, "merchant_share": 40},
    }


def recall_campaign(template: str) -> dict[str, Any]:
    """Everyone who falls silent, a fifth held out."""
    return {
        "name": "entered",
        "goal": "recall",
        "business_line": "shop",
        "channel": "mail",
        "template_id": template,
        "audience": {"kind": "stage", "stage": "silent"},
        "starts_at": START.isoformat(),
        "trigger": {"kind": "entered"},
        "holdout": 0.2,
    }


class World:
    """Plays a shop's history on a running system: a recall campaign, a list campaign, redemptions of what they give."""

    def __init__(
        self,
        doors: Doors,
        shop: Shop,
        storefront: Storefront | None = None,
        http: Http | None = None,
        *,
        holdout: float = 0.2,
    ) -> None:
        self._shop = shop
        self._holdout = holdout
        self._history = shop.history()
        self._storefront = storefront or Storefront(doors.bootstrap)
        self._coupons = Coupons(doors.bootstrap)
        self._http = http or Http(doors)
        self._redeemed: set[str] = set()

    async def play(self) -> None:
        async with self.open():
            await self.begin()
            for day in range(self._shop.days):
                await self.pass_day(day)
            await self._wait_for_metrics(START + self._shop.days * DAY)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Its connections, for as long as the block lasts."""
        await self._storefront.start()
        listening = asyncio.create_task(self._coupons.listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._storefront.stop()
            await self._http.close()

    async def begin(self) -> None:
        await self._pass_to(START)
        await self._campaigns()

    async def pass_day(self, day: int) -> None:
        """All that happens on it; returns when coupons has decided its end."""
        await self.tell_day(day)
        if self._shop.is_till_open(day):
            await self._redeem_all()
        await self._pass_to(START + (day + 1) * DAY)

    async def tell_day(self, day: int) -> None:
        """What happens on a day, but not that it ends."""
        for topic in topics.STOREFRONT:
            events = [(key, event) for to, key, event in self._history[day] if to == topic]
            await self._storefront.tell(topic, events)

    async def _pass_to(self, at: datetime) -> None:
        await self._storefront.tick(at)
        await self._coupons.wait_for(at)

    async def _campaigns(self) -> None:
        everybody = [f"c{number}" for number in range(self._shop.customers + 2)]
        template = await self._template("welcome", {"type": "relative", "days": 30})
        await self._campaign(
            template, {"kind": "list", "source_ids": everybody}, {"kind": "scheduled"}, START + 10 * DAY
        )
        template = await self._template("come back", {"type": "relative", "days": 14})
        await self._campaign(template, {"kind": "stage", "stage": "silent"}, {"kind": "entered"}, START)

    async def _template(self, name: str, validity: dict[str, Any]) -> str:
        body = template_body(name) | {"validity": validity}
        return (await self._http.post("coupons", "/v1/templates", body, f"template {name}"))["template_id"]

    async def _campaign(self, template: str, audience: Any, trigger: Any, starts_at: datetime) -> None:
        body = recall_campaign(template) | {
            "name": trigger["kind"],
            "audience": audience,
            "starts_at": starts_at.isoformat(),
            "trigger": trigger,
            "holdout": self._holdout,
        }
        made = await self._http.post("targeting", "/v1/campaigns", body, f"campaign {trigger['kind']}")
        path = f"/v1/campaigns/{made['campaign_id']}/start"
        await self._http.post("targeting", path, {}, f"start {trigger['kind']}")

    async def _redeem_all(self) -> None:
        """Every other coupon is used on the day on which it is known, once, on an order of its own."""
        for number, code in enumerate(sorted(set(self._coupons.codes.values()) - self._redeemed)):
            self._redeemed.add(code)
            if number % 2 == 0:
                body = {"code": code, "shop_id": "north", "order_id": f"x-{code}", "amount": 2_000, "currency": "USD"}
                await self._http.post("coupons", "/v1/redemptions", body, f"redeem {code}")

    async def _wait_for_metrics(self, at: datetime) -> None:
        async with asyncio.timeout(120):
            while datetime.fromisoformat((await self._http.get("metrics", "/v1/clock"))["at"]) < at:
                await asyncio.sleep(0.05)
