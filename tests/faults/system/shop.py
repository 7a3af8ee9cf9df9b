"""The shop whose history goes through the system, and a storefront that repeats whatever was not answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp

from demo.storefront import Doors, Http, Messages, Refused, Storefront
from shared.kafka import KafkaError
from tests.flows.world import Shop, World

# The first days bring the campaigns and their coupons; after them each fault has so many days of its own.
OPENING = 12
EPISODE = 5
OPEN_DAYS = 2
_PATIENCE = 150.0
# Busy right after a commit, not ready, and whatever stands between us and a process that is gone.
_COME_AGAIN = (409, 502, 503)


class SteadyShop(Shop):
    """Somebody falls silent in every episode, and coupons are used only in its first days.

    What comes over HTTP after a copy of a database is not in the log, so a copy that is put back must be of a day after
    which nobody used a coupon: or two honest runs would differ.
    """

    def buys_until(self, number: int) -> int:
        return (number * 7) % self.days if number % 2 == 0 else self.days

    def is_till_open(self, day: int) -> bool:
        return day < OPENING or (day - OPENING) % EPISODE < OPEN_DAYS


async def patiently(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, however often it takes to ask; the storefront has nobody else to ask."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return await ask()
        except (aiohttp.ClientError, TimeoutError, KafkaError, OSError) as error:
            if time.monotonic() > until:
                raise
            reason: Exception = error
        except Refused as error:
            if error.status not in _COME_AGAIN or time.monotonic() > until:
                raise
            reason = error
        del reason
        await asyncio.sleep(0.2)


class PatientHttp(Http):
    """Repeats with the same Idempotency-Key until there is an answer."""

    async def get(self, service: str, path: str, **params: Any) -> Any:
        return await patiently(lambda: super(PatientHttp, self).get(service, path, **params))

    async def post(self, service: str, path: str, body: Any, key: str) -> Any:
        return await patiently(lambda: super(PatientHttp, self).post(service, path, body, key))


class CountingStorefront(Storefront):
    """Asks before each tick how many partitions there are, as whoever ticks into a topic that grows must."""

    async def tick(self, at: datetime, orders: Messages | None = None) -> None:
        self._partitions.clear()
        await patiently(lambda: super(CountingStorefront, self).tick(at, orders))


class PatientWorld(World):
    """Ticks again until its tick has got through: a partition that was added meanwhile has not seen it."""

    def __init__(self, doors: Doors, shop: Shop) -> None:
        super().__init__(doors, shop, CountingStorefront(doors.bootstrap), PatientHttp(doors))

    async def _pass_to(self, at: datetime) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            await self._storefront.tick(at)
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await self._coupons.wait_for(at)
                    await self._wait_for_clock(at)
                    return
        raise TimeoutError(f"coupons has not decided {at:%Y-%m-%d} within {_PATIENCE:.0f} s")

    async def _wait_for_clock(self, at: datetime) -> None:
        # Coupons may have been put back behind what it has told.
        while datetime.fromisoformat((await self._http.get("coupons", "/v1/clock"))["at"]) < at:
            await asyncio.sleep(0.05)
