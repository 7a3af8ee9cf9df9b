"""The ingest door: Segment's calls become storefront events, acknowledged by a real broker or refused with a reason."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from services.profile.app import make_app
from services.profile.schemas.calls import Message, happened_at
from services.profile.settings import Settings
from shared.broker import create_topics
from shared.database import Database
from shared.events import Event
from shared.events.codec import decode
from shared.events.storefront import StorefrontOrderCompleted, StorefrontVisitRecorded
from tests.conftest import FreshDatabase
from tests.support.doing import client, rows, settings_for

ORDER = {"order_id": "o1", "total": 12.34, "currency": "USD", "shop_id": "north", "coupon": "ABC"}
NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Recorder:
    """Stands beside the real producer and remembers what it was given, so that a test can read it back at once."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self.sent: list[tuple[str, str, Event]] = []

    async def publish(self, topic: str, messages: list[tuple[str, bytes]]) -> None:
        await self._producer.publish(topic, messages)
        self.sent += [(topic, key, decode(body)) for key, body in messages]

    async def stop(self) -> None:
        await self._producer.stop()


@dataclass
class Door:
    http: httpx.AsyncClient
    broker: Recorder
    database: Database
    app: Any

    async def post(self, call: str, body: Any, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(f"/v1/{call}", content=content, headers=headers)


@pytest.fixture
async def door(servers: Stack, fresh_database: FreshDatabase) -> AsyncIterator[Door]:
    bootstrap = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    await create_topics(bootstrap, 2)
    database = await fresh_database("profile")
    app = make_app(settings_for(database, Settings).model_copy(update={"kafka_bootstrap": bootstrap}))
    await app.state.producer.start()
    broker = app.state.producer = Recorder(app.state.producer)
    async with client(app, database) as http:
        yield Door(http, broker, database, app)
    await broker.stop()


async def test_an_order_is_acknowledged_when_the_broker_has_it(door: Door) -> None:
    """P1"""
    body = {"userId": "anna", "messageId": "m1", "event": "Order Completed", "properties": ORDER}
    answer = await door.post("track", body)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    [(topic, key, event)] = door.broker.sent
    assert (topic, key, event.id) == ("storefront-orders", "anna", "m1")
    assert isinstance(event, StorefrontOrderCompleted)
    assert (event.data.total, event.data.coupons, event.data.shop_id) == (1234, ["ABC"], "north")


async def test_pages_and_other_tracks_are_visits_and_identify_tells_membership(door: Door) -> None:
    await door.post("page", {"anonymousId": "browser", "name": "Home"})
    await door.post("track", {"userId": "anna", "event": "Product Viewed"})
    await door.post("identify", {"userId": "anna", "traits": {"member": True, "age": 30}})
    visits = [event for _, _, event in door.broker.sent if isinstance(event, StorefrontVisitRecorded)]
    assert [(event.data.name, event.data.person.anonymous_id) for event in visits] == [
        ("Home", "browser"),
        ("Product Viewed", None),
    ]
    assert door.broker.sent[2][2].data.member is True  # pyright: ignore


async def test_of_a_batch_the_good_are_taken_and_each_bad_one_is_reported_and_parked(door: Door) -> None:
    good = {"type": "page", "userId": "anna"}
    bad = {"type": "track", "userId": "anna", "event": "Order Completed", "properties": ORDER | {"total": 1.234}}
    answer = await door.post("batch", {"batch": [good, bad, {"type": "eat", "userId": "x"}, 5, good]})
    body = answer.json()
    assert (answer.status_code, body["success"], body["taken"]) == (200, False, 2)
    assert [(each["pointer"], each["code"]) for each in body["errors"]] == [
        ("/batch/1/properties/total", "money-invalid"),
        ("/batch/2/type", "type-unknown"),
        ("/batch/3", "invalid"),
    ]
    assert len(door.broker.sent) == 2
    assert len(await rows(door.database, "SELECT * FROM parked WHERE topic = 'http'")) == 3


async def test_the_write_key_may_come_as_user_or_in_the_body_and_the_body_as_text_or_gzip(door: Door) -> None:
    key = door.http.headers.pop("Authorization").removeprefix("Bearer ")
    page = {"userId": "anna"}
    user = base64.b64encode(f"{key}:".encode()).decode()
    text = {"content-type": "text/plain"}
    assert (await door.post("page", page, authorization=f"Basic {user}", **text)).status_code == 200
    assert (await door.post("page", page | {"writeKey": key}, **text)).status_code == 200
    packed = gzip.compress(json.dumps({"batch": [{"type": "page", **page}], "writeKey": key}).encode())
    assert (await door.post("batch", packed, **{"content-encoding": "gzip"})).status_code == 200
    assert (await door.post("page", page)).status_code == 401


async def test_a_gzip_bomb_is_stopped_at_the_limit(door: Door) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    answer = await door.post("batch", bomb, **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_events_and_batches_have_a_limit(door: Door) -> None:
    long = {"type": "page", "userId": "anna", "properties": {"x": "x" * 33_000}}
    assert (await door.post("page", long)).status_code == 413
    answer = await door.post("batch", {"batch": [long]})
    assert answer.json()["errors"][0]["code"] == "event-too-large"
    assert (await door.post("batch", {"batch": [long] * 20})).status_code == 413


async def test_a_browsers_key_sends_no_orders(door: Door) -> None:
    app = make_app(settings_for(door.database, Settings))
    app.state.producer = door.broker
    async with client(app, door.database, scopes=["events:write"]) as browser:
        order = {"userId": "anna", "event": "Order Completed", "properties": ORDER}
        answer = await browser.post("/v1/track", json=order)
        assert (answer.status_code, answer.json()["code"]) == (403, "order-events-need-server-key")
        assert (await browser.post("/v1/page", json={"userId": "anna"})).status_code == 200


async def test_a_key_of_one_shop_speaks_for_that_shop_only(door: Door) -> None:
    """I14"""
    app = make_app(settings_for(door.database, Settings))
    app.state.producer = door.broker
    async with client(app, door.database, shop_id="south") as south:
        order = {"userId": "anna", "event": "Order Completed", "properties": ORDER}
        assert (await south.post("/v1/track", json=order)).json()["code"] == "shop-bound-key"
        assert (await south.post("/v1/page", json={"userId": "anna"})).status_code == 200
    assert door.broker.sent[-1][2].data.shop_id == "south"  # pyright: ignore


BAD: dict[str, tuple[Any, str]] = {
    "nobody": ({"event": "x"}, "/userId"),
    "no event": ({"userId": "a"}, "/event"),
    "no money": ({"userId": "a", "event": "Order Completed", "properties": {"order_id": "o"}}, "/properties/total"),
    "no order": ({"userId": "a", "event": "Order Cancelled"}, "/properties/order_id"),
    "negative": (
        {"userId": "a", "event": "Order Completed", "properties": ORDER | {"total": -1}},
        "/properties/total",
    ),
    "huge": ({"userId": "a", "event": "Order Completed", "properties": ORDER | {"total": 1e300}}, "/properties/total"),
    "currency": ({"userId": "a", "event": "Order Completed", "properties": ORDER | {"currency": "usd"}}, None),
    "NUL": ({"userId": "a\u0000", "event": "x"}, None),
    "a time without offset": ({"userId": "a", "event": "x", "timestamp": "2026-01-01T00:00:00"}, None),
    "no json": (b"{", None),
    "half a character": (b'{"userId": "\\ud800", "event": "x"}', None),
    "NaN": (b'{"userId": "a", "event": "Order Completed", "properties": {"total": NaN}}', None),
    "depth": (b'{"a":' * 5_000, None),
    "a list": (b"[]", None),
}  # pyright: ignore


@pytest.mark.parametrize("name", BAD)
async def test_bad_events_are_refused_with_a_reason_and_not_sent(door: Door, name: str) -> None:
    body, pointer = BAD[name]
    answer = await door.post("track", body)
    assert answer.status_code == 422, answer.text
    if pointer is not None:
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert door.broker.sent == []


async def test_a_yen_has_no_hundredths(door: Door) -> None:
    order = {"userId": "a", "event": "Order Completed", "properties": ORDER | {"total": 1200, "currency": "JPY"}}
    await door.post("track", order)
    assert door.broker.sent[0][2].data.total == 1200  # pyright: ignore


def test_the_error_of_a_devices_clock_is_taken_out_and_nonsense_is_cut_off() -> None:
    hour = timedelta(hours=1)
    skewed = Message(timestamp=NOW + 5 * hour, sent_at=NOW + 6 * hour)
    assert happened_at(skewed, NOW) == NOW - hour
    assert happened_at(Message(timestamp=NOW - 999 * hour), NOW) == NOW - timedelta(days=30)
    assert happened_at(Message(timestamp=NOW + hour), NOW) == NOW + timedelta(minutes=5)
    assert happened_at(Message(), NOW) == NOW


def test_no_instant_leads_out_of_the_calendar() -> None:
    """As schemathesis found: the span between these two, taken from now, begins before the year 1."""
    ends = [
        datetime.fromisoformat(text)
        for text in ("0001-01-01T00:00:00+23:59", "0251-02-15T14:48:47-15:35", "9999-12-31T23:59:59-23:59")
    ]
    for original in ends:
        assert abs(happened_at(Message(timestamp=original), NOW) - NOW) <= timedelta(days=30)
        for sent in ends:
            assert abs(happened_at(Message(timestamp=original, sent_at=sent), NOW) - NOW) <= timedelta(days=30)
