"""All that a service ever heard in a run of real ones, heard anew in any order: the same tables, row by row.

Unlike in test_disorder nothing keeps to its tick: a redemption comes before its coupon, a refund long before its order.
"""

import random
from collections.abc import Sequence
from typing import Any

import pytest

from deploy.local.names import SERVICES
from shared.events import Event
from shared.events.coupons import CouponIssued, CouponRedeemed, RedemptionRolledBack
from shared.events.profile import OrderCancelled, OrderRefunded
from shared.events.storefront import StorefrontOrderCompleted, StorefrontOrderRefunded
from tests.conftest import FreshDatabase
from tests.flows.tables import differences
from tests.flows.test_disorder import comparable, start_recall
from tests.flows.world import DAY, START, Shop
from tests.support.pipeline import Pipeline

DAYS = 45
END = START + (DAYS + 2) * DAY


class Listening(Pipeline):
    """Remembers what each service heard."""

    heard: dict[str, list[Event]]

    async def hear(self, service: str, events: list[Event]) -> None:
        self.heard[service] += events
        await super().hear(service, events)


async def make(fresh_database: FreshDatabase, disorder: random.Random | None = None) -> Listening:
    pipeline = await Listening.make(fresh_database, disorder)
    assert isinstance(pipeline, Listening)
    pipeline.heard = {service: [] for service in SERVICES}
    await start_recall(pipeline)
    return pipeline


async def use_coupons(pipeline: Pipeline, used: set[str]) -> None:
    """Each coupon is used when it is known; every other time the customer thinks better of it."""
    codes = [row["code"] for row in await pipeline.ask("coupons", "SELECT code FROM coupons ORDER BY code")]
    async with pipeline.door("coupons") as http:
        for code in codes:
            if code in used:
                continue
            used.add(code)
            body = {"code": code, "shop_id": "north", "order_id": f"x{code}", "amount": 2_000, "currency": "USD"}
            answer = await http.post("/v1/redemptions", json=body)
            assert answer.status_code == 201, answer.text
            if len(used) % 2 == 0:
                path = f"/v1/redemptions/{answer.json()['redemption_id']}/rollback"
                assert (await http.post(path, json={})).status_code in (200, 201)


async def play(pipeline: Listening) -> None:
    used: set[str] = set()
    await pipeline.pass_to(START)
    for number, day in enumerate(Shop(5, customers=14, days=DAYS).history()):
        pipeline.tell([event for _, _, event in day])
        await use_coupons(pipeline, used)
        await pipeline.pass_to(START + (number + 1) * DAY)
    await pipeline.pass_to(END)


async def hear_all(pipeline: Listening, service: str, events: Sequence[Event]) -> dict[str, list[tuple[Any, ...]]]:
    """The service alone hears them and then decides one tick: its business tables afterwards."""
    await pipeline.hear(service, list(events))
    await pipeline.tick(service, END)
    tables = comparable(await pipeline.tables())
    return {name: rows for name, rows in tables.items() if name.startswith(f"{service}.")}


def backwards(events: Sequence[Event]) -> list[Any]:
    """The effect before its cause, all the way."""
    return list(reversed(events))


def place_of(events: Sequence[Event], *kinds: type[Event]) -> int:
    return next(number for number, event in enumerate(events) if isinstance(event, kinds))


async def test_whatever_order_everything_is_heard_in_each_service_ends_with_the_same_tables(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 28-30"""
    monkeypatch.setattr("shared.ids.draw", lambda prefix: f"{prefix}_the_only_one")
    world = await make(fresh_database)
    await play(world)
    check_that_causes_come_late(world)
    for service in SERVICES:
        expected = await hear_all(await make(fresh_database), service, world.heard[service])
        assert any(expected.values()), service
        orders = [(f"seed {seed}", world.heard[service], random.Random(seed)) for seed in (1, 2)]
        for name, events, disorder in [("backwards", backwards(world.heard[service]), None), *orders]:
            found = await hear_all(await make(fresh_database, disorder), service, events)
            wrong = differences(expected, found)
            assert not wrong, f"{service}, {name}: " + "\n".join(wrong)


def check_that_causes_come_late(world: Listening) -> None:
    """Read backwards, this history has what the fault list speaks of."""
    told = backwards(world.heard["metrics"])
    for kind in (CouponRedeemed, RedemptionRolledBack):
        used = place_of(told, kind)
        issued = [n for n, each in enumerate(told) if isinstance(each, CouponIssued)]
        assert [n for n in issued if told[n].data.coupon_id == told[used].data.coupon_id and n > used]
    shop = backwards(world.heard["profile"])
    undone = place_of(shop, StorefrontOrderRefunded)
    paid = [n for n, each in enumerate(shop) if isinstance(each, StorefrontOrderCompleted)]
    assert [n for n in paid if shop[n].data.order_id == shop[undone].data.order_id and n > undone]
    assert place_of(world.heard["segmentation"], OrderRefunded, OrderCancelled)
    assert place_of(world.heard["targeting"], CouponIssued)
