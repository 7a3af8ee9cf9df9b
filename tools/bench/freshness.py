"""B3: how soon an order shows in a segment and as a coupon, and how late what time alone changes is noticed.

Everything is read off the broker's own stamps, from an order's append to the append of what it caused. What is told was
committed before, so a row is there a little sooner than these figures say.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import uvloop

from demo.storefront import Doors, Http, Storefront
from shared import topics
from shared.clock import wall
from shared.events import Event
from shared.events.codec import decode
from shared.events.coupons import CouponIssued
from shared.events.profile import ProfileUpdated
from shared.events.segmentation import LifecycleStageChanged, SegmentEntered
from shared.events.storefront import StorefrontOrderCompleted
from tools.bench.load import Load, tell
from tools.bench.measuring import cpu_seconds, own_stack, percentile, resident_mib, spent
from tools.bench.reading import read_all
from tools.output import err

_STEP_SECONDS = 0.05
_SETTLE_SECONDS = 5
# Of the rate that is measured, before it is: the first second after a start is nobody's everyday.
_WARM_UP_SECONDS = 5
_SILENT_AFTER = timedelta(days=30)
_LATECOMERS = 1_000
_LATECOMER = "latecomer-"
_HEARD = [topics.STOREFRONT_ORDERS, topics.PROFILE, topics.SEGMENTATION, topics.COUPONS]


def measure(rate: int, seconds: int, customers: int) -> dict[str, Any]:
    with own_stack(clock="wall") as (stack, _):
        environment = stack.environment()
        load = Load(customers)
        uvloop.run(prepare(environment, load, seconds, warm_up=_WARM_UP_SECONDS))
        before = cpu_seconds(stack)
        since = time.time() + _WARM_UP_SECONDS
        with err.status(f"{rate:,} events a second for {_WARM_UP_SECONDS} and {seconds} s ..."):
            told, took = uvloop.run(tell_steadily(environment, load, rate, _WARM_UP_SECONDS + seconds))
        used = spent(before, cpu_seconds(stack))
        time.sleep(_SETTLE_SECONDS)
        return {
            "rate": rate,
            "events": told,
            "events_per_second": round(told / took),
            "cpu_seconds": used,
            "cpu_us_per_event": round(sum(used.values()) / told * 1e6, 1),
            "resident_mib": resident_mib(stack),
            **uvloop.run(_latencies(environment["COMEBACK_KAFKA_BOOTSTRAP"], since)),
        }


async def prepare(environment: Mapping[str, str], load: Load, seconds: int, *, warm_up: int = 0) -> None:
    """The segment and the campaign run, and customers wait who will fall silent while it is measured."""
    doors = Doors.of(environment)
    http, storefront = Http(doors), Storefront(doors.bootstrap)
    await storefront.start()
    segment = await http.post("segmentation", "/v1/segments", _SEGMENT, "segment")
    template = await http.post("coupons", "/v1/templates", _TEMPLATE, "template")
    body = _campaign(segment["segment_id"], template["template_id"])
    campaign = await http.post("targeting", "/v1/campaigns", body, "campaign")
    await http.post("targeting", f"/v1/campaigns/{campaign['campaign_id']}/start", {}, "start")
    first = wall() + timedelta(seconds=_SETTLE_SECONDS + warm_up)
    apart = timedelta(seconds=seconds) / _LATECOMERS
    names = [(f"{_LATECOMER}{number}", first + number * apart - _SILENT_AFTER) for number in range(_LATECOMERS)]
    await storefront.tell(topics.STOREFRONT_ORDERS, [(name, load.order(name, at)) for name, at in names])
    await asyncio.sleep(_SETTLE_SECONDS)
    await storefront.stop()
    await http.close()


async def tell_steadily(environment: Mapping[str, str], load: Load, rate: int, seconds: int) -> tuple[int, float]:
    """How many events were told, and how long that took; one that comes late does not make the next ones fewer."""
    storefront = Storefront(environment["COMEBACK_KAFKA_BOOTSTRAP"])
    await storefront.start()
    started, told = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        due = int(passed * rate) - told
        await tell(storefront, load.events(due, wall()))
        told += due
        await asyncio.sleep(_STEP_SECONDS)
    await storefront.stop()
    return told, time.perf_counter() - started


async def _latencies(bootstrap: str, since: float) -> dict[str, Any]:
    heard = _Heard(since)
    async for records in read_all(bootstrap, _HEARD):
        for record in records:
            heard.hear(record.timestamp / 1000, decode(record.value))
    return heard.figures()


class _Heard:
    """When the broker took what, in seconds since 1970, by the name or the id of the customer.

    Measured is who ordered for the first time after `since`.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._ordered: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self._entered: dict[str, float] = {}
        self._issued: dict[str, float] = {}
        self._late: list[float] = []

    def hear(self, at: float, event: Event) -> None:
        match event:
            case StorefrontOrderCompleted(data=order):
                self._ordered.setdefault(order.person.source_id or "", at)
            case ProfileUpdated(data=profile):
                self._names[profile.customer_id] = profile.source_id or ""
            case SegmentEntered(data=membership):
                self._entered.setdefault(membership.customer_id, at)
            case CouponIssued(data=coupon):
                self._issued.setdefault(coupon.customer_id, at)
            case LifecycleStageChanged(data=change) if change.to_stage == "silent":
                self._late.append(at - change.caused_at.timestamp())
            case _:
                pass

    def figures(self) -> dict[str, Any]:
        return {
            "membership": _spread(self._since_order(self._entered)),
            "coupon": _spread(self._since_order(self._issued)),
            "by_time": _spread(self._late),
        }

    def _since_order(self, caused: Mapping[str, float]) -> Iterable[float]:
        for customer_id, at in caused.items():
            name = self._names[customer_id]
            ordered = self._ordered[name]
            if ordered >= self._since and not name.startswith(_LATECOMER):
                yield at - ordered


def _spread(seconds: Iterable[float]) -> dict[str, float]:
    found = sorted(seconds)
    if not found:
        return {"count": 0}
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {"count": len(found), **{name: round(percentile(found, share) * 1000, 1) for name, share in shares.items()}}


_SEGMENT = {"name": "Buyers", "rule": {"field": "orders", "op": "gte", "value": 1}}
_TEMPLATE = {
    "name": "Thanks",
    "kind": "thanks",
    "discount": {"type": "amount_off", "amount": 500, "currency": "USD"},
    "uses": 1,
    "validity": {"type": "relative", "days": 14},
}


def _campaign(segment_id: str, template_id: str) -> dict[str, Any]:
    return {
        "name": "Thanks",
        "goal": "retention",
        "business_line": "shop",
        "channel": "mail",
        "template_id": template_id,
        "audience": {"kind": "segment", "segment_id": segment_id},
        "starts_at": datetime.fromtimestamp(0, tz=wall().tzinfo).isoformat(),
        "trigger": {"kind": "entered"},
        "holdout": 0,
        "anti_harassment": "off",
    }
