"""Plays 2017 through a running system, day by day, and waits for it as a storefront that lives in that year would."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.history import Campaign, Day, History, Redemption, instant
from demo.storefront import Coupons, Doors, Http, Messages, Storefront, orders_of

RECALL = "Recall the silent"
_AT_ONCE = 8
_COUPON_KIND = "discount"

# Told after each day: the instant reached, and how many orders have been told so far.
Progress = Callable[[datetime, int], None]


def _say_nothing(at: datetime, told: int) -> None:
    del at, told


@dataclass(frozen=True, slots=True)
class Played:
    """What the replay did: which campaign of ours stands for which of the set, and how long it took."""

    campaigns: dict[str, str]
    recall_id: str
    seconds: float
    first_coupon_seconds: float | None


class Replay:
    def __init__(self, history: History, doors: Doors, progress: Progress = _say_nothing) -> None:
        self._history = history
        self._http = Http(doors)
        self._coupons = Coupons(doors.bootstrap)
        self._storefront = Storefront(doors.bootstrap)
        self._progress = progress
        self._campaigns: dict[str, str] = {}
        self._customers: dict[str, str] = {}
        self._told = 0

    async def run(self) -> Played:
        """From the first tick to the last; returns when metrics knows everything."""
        started = time.perf_counter()
        await self._storefront.start()
        listening = asyncio.create_task(self._coupons.listen())
        try:
            recall_id = await self._open_shop()
            first_coupon = await self._play_days(started)
            await self._close_shop()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._storefront.stop()
            await self._http.close()
        return Played(self._campaigns, recall_id, time.perf_counter() - started, first_coupon)

    async def _open_shop(self) -> str:
        """The first tick, then everybody is identified, then the campaigns are made and started."""
        first, *_ = self._history.ticks_us
        await self._pass_to(instant(first))
        await self._storefront.identify(self._history.households, instant(first))
        for campaign in self._history.campaigns:
            body = _set_campaign(campaign, await self._make_template(campaign))
            self._campaigns[campaign.campaign_id] = await self._start(body)
        return await self._start(_recall_campaign(await self._make_recall_template(), instant(first)))

    async def _play_days(self, started: float) -> float | None:
        first_coupon: float | None = None
        opens = [instant(day.opens_us) for day in self._history.days]
        closes = [*opens[1:], instant(self._history.ticks_us[-1])]
        await self._storefront.tick(opens[0])
        for day, opened, closed in zip(self._history.days, opens, closes, strict=True):
            # Written down while the system is still at work.
            orders = orders_of(day.baskets)
            await self._coupons.wait_for(opened)
            if first_coupon is None and self._coupons.codes:
                first_coupon = time.perf_counter() - started
            await self._trade(day, orders, closed)
            self._told += len(day.baskets)
            self._progress(opened, self._told)
        return first_coupon

    async def _trade(self, day: Day, orders: Messages, closed: datetime) -> None:
        """The day's orders and redemptions, and behind all of them the tick that closes it."""
        if day.redemptions:
            await asyncio.gather(self._storefront.sell(orders), self._redeem(day))
            orders = []
        await self._storefront.tick(closed, orders)

    async def _close_shop(self) -> None:
        last = instant(self._history.ticks_us[-1])
        await self._coupons.wait_for(last)
        while await self._clock("metrics") < last:  # noqa: ASYNC110  (nothing but asking tells)
            await asyncio.sleep(0.02)
        self._progress(last, self._told)

    async def _clock(self, service: str) -> datetime:
        return datetime.fromisoformat((await self._http.get(service, "/v1/clock"))["at"])

    async def _pass_to(self, at: datetime) -> None:
        """Time goes on, and the storefront waits until coupons has issued what is due."""
        await self._storefront.tick(at)
        await self._coupons.wait_for(at)

    async def _redeem(self, day: Day) -> None:
        if day.redemptions and not self._customers:
            known = await self._http.pages("profile", "/v1/customers")
            self._customers = {customer["source_id"]: customer["customer_id"] for customer in known}
        turns = asyncio.Semaphore(_AT_ONCE)
        baskets = {basket.basket_id: basket for basket in day.baskets}

        async def redeem(redemption: Redemption) -> None:
            basket = baskets[redemption.basket_id]
            body = {
                "code": self._code(redemption),
                "shop_id": basket.store_id,
                "order_id": basket.basket_id,
                "reference": redemption.coupon_upc,
                "amount": basket.total_cents,
                "currency": "USD",
                "discount": {"platform": redemption.platform_cents, "merchant": redemption.merchant_cents},
            }
            key = f"{redemption.campaign_id}-{redemption.household_id}-{basket.basket_id}-{redemption.coupon_upc}"
            async with turns:
                await self._http.post("coupons", "/v1/redemptions", body, key)

        await asyncio.gather(*map(redeem, day.redemptions))

    def _code(self, redemption: Redemption) -> str:
        campaign = self._campaigns[redemption.campaign_id]
        return self._coupons.codes[campaign, self._customers[redemption.household_id]]

    async def _make_template(self, campaign: Campaign) -> str:
        validity = {"type": "static", "starts_at": _text(campaign.starts_us), "ends_at": _text(campaign.ends_us)}
        return await self._template(f"Complete Journey {campaign.campaign_id}", validity)

    async def _make_recall_template(self) -> str:
        return await self._template(RECALL, {"type": "relative", "days": 14})

    async def _template(self, name: str, validity: dict[str, Any]) -> str:
        body = {
            "name": name,
            "kind": _COUPON_KIND,
            "discount": {"type": "as_reported", "currency": "USD"},
            "uses": None,
            "validity": validity,
        }
        return (await self._http.post("coupons", "/v1/templates", body, f"template {name}"))["template_id"]

    async def _start(self, body: dict[str, Any]) -> str:
        campaign = await self._http.post("targeting", "/v1/campaigns", body, f"campaign {body['name']}")
        campaign_id = campaign["campaign_id"]
        await self._http.post("targeting", f"/v1/campaigns/{campaign_id}/start", {}, f"start {campaign_id}")
        return campaign_id


def _set_campaign(campaign: Campaign, template_id: str) -> dict[str, Any]:
    """A campaign of the set: an explicit audience, no holdout and no limits, because history had none."""
    return {
        "name": f"Complete Journey {campaign.campaign_id}",
        "goal": "retention",
        "business_line": "grocery",
        "channel": f"mail-{campaign.campaign_type.split()[-1].lower()}",
        "template_id": template_id,
        "audience": {"kind": "list", "source_ids": list(campaign.households)},
        "starts_at": _text(campaign.starts_us),
        "ends_at": _text(campaign.ends_us),
        "trigger": {"kind": "scheduled"},
        "holdout": 0,
        "anti_harassment": "off",
    }


def _recall_campaign(template_id: str, starts_at: datetime) -> dict[str, Any]:
    """Ours: everybody who falls silent, a tenth held out, fourteen days to come back."""
    return {
        "name": RECALL,
        "goal": "recall",
        "business_line": "grocery",
        "channel": "push",
        "template_id": template_id,
        "audience": {"kind": "stage", "stage": "silent"},
        "starts_at": starts_at.isoformat(),
        "trigger": {"kind": "entered"},
        "holdout": 0.1,
        "attribution_days": 14,
        "anti_harassment": "on",
    }


def _text(at_us: int) -> str:
    return instant(at_us).isoformat()
