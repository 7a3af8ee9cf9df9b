"""Drives a running system through its public doors, at a steady rate, and asks what it has measured."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from demo.simulation.answers import Answers
from demo.simulation.campaign import start_campaign
from demo.simulation.plan import SILENCE, STEP_SECONDS, STEPS_OF_A_TICK, Calendar, Impossible, Plan
from demo.simulation.population import Customer, expected_lift, expected_recall, make_population
from demo.simulation.shop import Shop, Use
from demo.simulation.telling import Teller, Told
from demo.storefront import Doors, Http, Refused, Storefront
from shared import topics
from shared.clock import BEGINNING, wall

# Where time begins for a system that no replay has told any.
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)
_PATIENCE = 120
_AT_ONCE = 8
_CHUNK = 5000
_SECOND = timedelta(seconds=1)

# Told at each step: how many events of the run are sent.
Progress = Callable[[int], None]


def _say_nothing(sent: int) -> None:
    del sent


@dataclass(frozen=True, slots=True)
class Expected:
    """The truth about the customers whom the system delivered to or held out."""

    treated: float | None
    held_out: float | None
    lift: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`metrics` is what the system says of the campaign; `strangers` were decided too and are not of this run."""

    campaign_id: str
    sent: int
    orders: int
    seconds: float
    told_before: int
    redeemed: int
    refused: int
    strangers: int
    metrics: Any
    expected: Expected

    @property
    def covers(self) -> bool | None:
        """Whether the interval of the lift holds the truth; None without an interval or a truth."""
        lift, truth = self.metrics["lift"], self.expected.lift
        return None if lift["low"] is None or truth is None else lift["low"] <= truth <= lift["high"]


class Simulation:
    """`await Simulation(plan, doors).run()`; nothing of an earlier run hinders it."""

    def __init__(self, plan: Plan, doors: Doors, progress: Progress = _say_nothing) -> None:
        self._plan = plan
        self._population = make_population(plan.seed, plan.customers)
        plan.check(self._population)
        self._http = Http(doors)
        self._storefront = Storefront(doors.bootstrap)
        self._answers = Answers(doors.bootstrap, f"simulation-{time.time_ns()}")
        self._progress = progress
        self._numbers: dict[str, int] = {}
        self._first: dict[str, str] = {}
        self._delivered: dict[str, list[Customer]] = {"treated": [], "held_out": []}
        self._redeeming: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._sent = self._orders = self._told_before = self._redeemed = self._refused = 0

    async def run(self) -> Outcome:
        listening = asyncio.create_task(self._answers.listen())
        try:
            await self._storefront.start()
            await self._answers.wait_until_listening()
            return await self._run()
        finally:
            for task in (listening, *self._redeeming):
                task.cancel()
            await asyncio.gather(listening, *self._redeeming, return_exceptions=True)
            await self._storefront.stop()
            await self._http.close()

    async def _run(self) -> Outcome:
        told_at = wall() if self._live else await self._next_instant()
        run = f"{self._plan.seed}-{told_at:%y%m%d%H%M%S}"
        teller = Teller(run, self._population)
        await self._introduce(teller, told_at)
        calendar = self._plan.calendar(wall() if self._live else told_at)
        shop = Shop(self._plan.seed, self._population, calendar, teller)
        began = time.perf_counter()
        campaign_id = await start_campaign(self._http, run, calendar, self._plan.holdout)
        if self._live:
            await self._tell_before(list(shop.resume()))
        else:
            shop.open()
            began = time.perf_counter()
        await self._pace(shop, calendar, campaign_id, began)
        seconds = time.perf_counter() - began
        await self._settle(calendar)
        await self._heed(shop, campaign_id)
        return await self._outcome(campaign_id, seconds)

    @property
    def _live(self) -> bool:
        return self._plan.clock == "wall"

    async def _next_instant(self) -> datetime:
        """Where time goes on in a system to which a replay tells it: whoever was there before is silent by then."""
        clock = await self._clock("profile")
        starts_at = _FIRST if clock == BEGINNING else clock + SILENCE + _SECOND
        if self._plan.calendar(starts_at).ends_at > wall():
            raise Impossible(
                f"the system's clock says {clock:%Y-%m-%d}, and the run would go on into the future: "
                "`comeback stack reset` begins anew"
            )
        return starts_at

    async def _introduce(self, teller: Teller, at: datetime) -> None:
        """The system knows every customer, and we know what it calls them."""
        await self._tell_before([teller.identified(each.number, at) for each in self._population])
        if self._live:
            await self._wait_for("profile", wall())
        else:
            await self._storefront.tick(at)
            await self._answers.wait_for(at)
        numbers = {teller.source_id(each.number): each.number for each in self._population}
        for known in await self._http.pages("profile", "/v1/customers"):
            if known["source_id"] in numbers:
                self._numbers[known["customer_id"]] = numbers[known["source_id"]]

    async def _tell_before(self, told: list[Told]) -> None:
        self._told_before += len(told)
        for start in range(0, len(told), _CHUNK):
            await self._tell(told[start : start + _CHUNK])

    async def _tell(self, told: Sequence[Told]) -> None:
        for topic in topics.STOREFRONT:
            await self._storefront.tell(topic, [(key, event) for to, key, event in told if to == topic])

    async def _pace(self, shop: Shop, calendar: Calendar, campaign_id: str, began: float) -> None:
        """Each step tells what makes up the rate so far; a late one is told at once, so the rate is made up for."""
        ticked_at = calendar.starts_at
        for number in range(1, self._plan.steps + 1):
            await asyncio.sleep(max(0.0, began + number * STEP_SECONDS - time.perf_counter()))
            at = calendar.starts_at + number * self._plan.step
            told = shop.pass_to(at, round(self._plan.rate * number * STEP_SECONDS) - self._sent)
            await self._tell(told)
            self._count(told)
            if number % STEPS_OF_A_TICK == 0:
                if not self._live:
                    await self._answers.wait_for(ticked_at)
                await self._heed(shop, campaign_id)
                if not self._live:
                    await self._storefront.tick(at)
                    ticked_at = at

    def _count(self, told: list[Told]) -> None:
        self._sent += len(told)
        self._orders += sum(topic == topics.STOREFRONT_ORDERS for topic, _, _ in told)
        self._progress(self._sent)

    async def _heed(self, shop: Shop, campaign_id: str) -> None:
        """What was decided since is brought before the customers, and what they have used is redeemed."""
        for answer in self._answers.take():
            if answer.campaign_id == campaign_id:
                self._first.setdefault(answer.customer_id, answer.arm)
                number = self._numbers.get(answer.customer_id)
                if number is not None:
                    self._delivered[answer.arm].append(self._population[number])
                    if answer.arm == "treated":
                        shop.offer(number, answer.code)
        for use in shop.uses:
            task = asyncio.create_task(self._redeem(use))
            self._redeeming.add(task)
            task.add_done_callback(self._redeeming.discard)
        shop.uses.clear()

    async def _redeem(self, use: Use) -> None:
        order = use.order
        body = {
            "code": use.code,
            "shop_id": order.shop_id,
            "order_id": order.order_id,
            "amount": order.total,
            "currency": order.currency,
        }
        async with self._turns:
            try:
                await self._http.post("coupons", "/v1/redemptions", body, f"redeem {order.order_id}")
                self._redeemed += 1
            except Refused:
                self._refused += 1

    async def _settle(self, calendar: Calendar) -> None:
        """Returns when everything that was told or redeemed is in the figures."""
        if not self._live:
            await self._answers.wait_for(calendar.ends_at)
        await asyncio.gather(*self._redeeming)
        at = wall() if self._live else calendar.ends_at + _SECOND
        if not self._live:
            await self._storefront.tick(at)
        await self._wait_for("metrics", at)

    async def _wait_for(self, service: str, at: datetime) -> None:
        async with asyncio.timeout(_PATIENCE):
            while await self._clock(service) < at:  # noqa: ASYNC110  (nothing but asking tells)
                await asyncio.sleep(0.05)

    async def _clock(self, service: str) -> datetime:
        return datetime.fromisoformat((await self._http.get(service, "/v1/clock"))["at"])

    async def _outcome(self, campaign_id: str, seconds: float) -> Outcome:
        known = [self._population[self._numbers[each]] for each in self._first if each in self._numbers]
        return Outcome(
            campaign_id=campaign_id,
            sent=self._sent,
            orders=self._orders,
            seconds=seconds,
            told_before=self._told_before,
            redeemed=self._redeemed,
            refused=self._refused,
            strangers=len(self._first) - len(known),
            metrics=await self._http.get("metrics", f"/v1/campaigns/{campaign_id}/metrics"),
            expected=Expected(
                expected_recall(self._delivered["treated"], treated=True),
                expected_recall(self._delivered["held_out"], treated=False),
                expected_lift(known),
            ),
        )
