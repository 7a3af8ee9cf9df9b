"""What the system decides about the simulated customers, heard on coupons-events from now on."""

import asyncio
from typing import Any, Literal, NamedTuple

from demo.storefront import Coupons
from shared.clock import BEGINNING
from shared.events.coupons import CouponIssued, CouponWithheld
from shared.inbox import Partition


class Answer(NamedTuple):
    """A customer was given a coupon, or held out."""

    campaign_id: str
    customer_id: str
    arm: Literal["treated", "held_out"]
    code: str = ""


class Answers(Coupons):
    """Begins at the end of the log: what was told before the run is of no use to it."""

    def __init__(self, bootstrap: str, group: str) -> None:
        super().__init__(bootstrap, group)
        self._news: list[Answer] = []
        self._listening = asyncio.Event()

    async def assigned(self, partitions: list[Partition]) -> None:
        for partition, (_, last) in (await self._consumer.bounds(partitions)).items():
            self._ticks[partition] = BEGINNING
            self._consumer.seek(partition, last)
        self._listening.set()

    async def wait_until_listening(self) -> None:
        async with asyncio.timeout(60):
            await self._listening.wait()

    def take(self) -> list[Answer]:
        """What was heard since it was last asked."""
        news, self._news = self._news, []
        return news

    def _hear(self, partition: Partition, event: Any) -> None:
        if isinstance(event, CouponIssued):
            self._news.append(Answer(event.data.campaign_id, event.data.customer_id, "treated", event.data.code))
        elif isinstance(event, CouponWithheld):
            self._news.append(Answer(event.data.campaign_id, event.data.customer_id, "held_out"))
        else:
            super()._hear(partition, event)
