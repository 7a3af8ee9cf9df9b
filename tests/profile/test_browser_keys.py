"""Whoever opens a shop's page can read its write key: with it nobody makes orders, nor speaks for another shop."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.profile.app import make_app
from services.profile.settings import Settings
from shared.events.storefront import StorefrontVisitRecorded
from tests.profile.test_ingest import ORDER, Door, door  # noqa: F401
from tests.support.doing import client, rows, settings_for

ORDERS = ("Order Placed", "Order Completed", "Order Updated", "Order Refunded", "Order Cancelled")
REFUSED = "order-events-need-server-key"


@pytest.fixture
async def browser(door: Door) -> AsyncIterator[httpx.AsyncClient]:  # noqa: F811
    async with key_of(door, ["events:write"]) as http:
        yield http


def key_of(door: Door, scopes: list[str], shop_id: str | None = None) -> Any:  # noqa: F811
    app = make_app(settings_for(door.database, Settings))
    app.state.producer = door.broker
    return client(app, door.database, scopes=scopes, shop_id=shop_id)


def order(event: str) -> dict[str, Any]:
    return {"type": "track", "userId": "anna", "event": event, "properties": ORDER}


@pytest.mark.parametrize("event", ORDERS)
async def test_a_browsers_key_sends_no_order_by_whatever_way(
    door: Door,  # noqa: F811
    browser: httpx.AsyncClient,
    event: str,
) -> None:
    """Row 75: as a call, as text with the key inside, packed, and within a batch, which keeps its good ones"""
    key = browser.headers["Authorization"].removeprefix("Bearer ")
    text = json.dumps(order(event) | {"writeKey": key}).encode()
    for answer in (
        await browser.post("/v1/track", json=order(event)),
        await browser.post("/v1/track", content=text, headers={"Authorization": "", "Content-Type": "text/plain"}),
        await browser.post("/v1/track", content=gzip.compress(text), headers={"Content-Encoding": "gzip"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, REFUSED)
        assert [each["pointer"] for each in answer.json()["errors"]] == ["/event"]
    page = {"type": "page", "userId": "anna"}
    answer = await browser.post("/v1/batch", json={"batch": [page, order(event), page]})
    assert answer.status_code == 200
    assert (answer.json()["success"], answer.json()["taken"]) == (False, 2)
    assert [(each["pointer"], each["code"]) for each in answer.json()["errors"]] == [("/batch/1/event", REFUSED)]
    assert [type(event) for _, _, event in door.broker.sent] == [StorefrontVisitRecorded] * 2


async def test_what_a_browser_may_not_send_is_not_kept_either(door: Door, browser: httpx.AsyncClient) -> None:  # noqa: F811
    """Row 75: else anybody could fill our database, and a retry would let them in"""
    await browser.post("/v1/batch", json={"batch": [order(event) for event in ORDERS]})
    await browser.post("/v1/batch", json={"batch": [{"type": "page"}]})
    assert [row["reason"][:14] for row in await rows(door.database, "SELECT reason FROM parked")] == ["person-missing"]


@pytest.mark.parametrize("name", ["order completed", "Order  Completed", "Order Completed ", "\uff2frder Completed"])
async def test_what_only_looks_like_an_order_is_a_visit(door: Door, browser: httpx.AsyncClient, name: str) -> None:  # noqa: F811
    """Row 75"""
    assert (await browser.post("/v1/track", json=order(name))).status_code == 200
    assert (await browser.post("/v1/page", json=order("Order Completed"))).status_code == 200
    assert {type(event) for _, _, event in door.broker.sent} == {StorefrontVisitRecorded}


async def test_a_browsers_key_sends_visits_and_identifies(door: Door, browser: httpx.AsyncClient) -> None:  # noqa: F811
    for call in ("track", "page", "identify"):
        body = {"userId": "anna", "event": "Product Viewed", "is_admin": True, "scopes": ["admin"], "shop_id": "other"}
        assert (await browser.post(f"/v1/{call}", json=body)).status_code == 200
    assert len(door.broker.sent) == 3
    assert {event.data.shop_id for _, _, event in door.broker.sent} == {"default"}  # pyright: ignore


async def test_a_key_that_may_do_anything_else_is_a_servers(door: Door) -> None:  # noqa: F811
    async with key_of(door, ["events:write", "profiles:read"]) as server:
        for event in ORDERS:
            assert (await server.post("/v1/track", json=order(event))).status_code == 200
    assert len(door.broker.sent) == 5


async def test_a_browsers_key_passes_no_other_door(browser: httpx.AsyncClient) -> None:
    """Row 54"""
    for path in ("/v1/customers", "/v1/customers/cus_x", "/v1/customers/cus_x/orders", "/v1/clock"):
        assert (await browser.get(path)).json()["code"] == "scope-missing"


async def test_a_shops_key_speaks_for_no_other_shop_inside_a_batch_either(door: Door) -> None:  # noqa: F811
    """I14, row 53"""
    async with key_of(door, ["events:write", "profiles:read"], shop_id="south") as south:
        own = order("Order Completed") | {"properties": ORDER | {"shop_id": "south"}}
        unnamed = order("Order Cancelled") | {"properties": {"order_id": "o1"}}
        answer = await south.post("/v1/batch", json={"batch": [own, order("Order Completed"), unnamed]})
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/batch/1/properties/shop_id", "shop-bound-key")
    assert [event.data.shop_id for _, _, event in door.broker.sent] == ["south", "south"]  # pyright: ignore
    assert await rows(door.database, "SELECT * FROM parked") == []
