"""`segment-analytics-python`, unmodified, against the ingest door."""

import json
import time
from datetime import datetime
from typing import Any

import pytest
from segment.analytics.client import Client
from segment.analytics.consumer import BATCH_SIZE_LIMIT, MAX_MSG_SIZE
from segment.analytics.request import DatetimeSerializer

from shared.database import Database
from tests.sdks import story
from tests.sdks.proxy import TROUBLE, Proxy, Refuse
from tests.sdks.shop import Shop
from tests.support.doing import rows


class Sdk:
    """A client of the SDK, and what it could not deliver."""

    def __init__(self, url: str, key: str, **options: Any) -> None:
        self.failed: list[Any] = []
        self.client = Client(key, host=url, on_error=lambda error, _: self.failed.append(error), **options)

    def tell(self, user: str, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            _call(self.client, user, dict(call))

    def deliver(self) -> None:
        """Returns when the SDK has nothing left to send."""
        self.client.shutdown()
        assert self.failed == []


def _call(client: Client, user: str, call: dict[str, Any]) -> None:
    kind = call.pop("type")
    if "timestamp" in call:
        call["timestamp"] = datetime.fromisoformat(call["timestamp"])
    if kind == "alias":
        client.alias(call["previousId"], call["userId"])
    elif kind == "group":
        client.group(user, call["groupId"], call["traits"])
    elif kind in ("page", "screen"):
        getattr(client, kind)(user, name=call["name"], properties=call["properties"])
    else:
        getattr(client, kind)(user, **call)


@pytest.mark.parametrize("gzip", [False, True])
def test_all_that_the_python_sdk_tells_has_its_effect(shop: Shop, user: str, gzip: bool) -> None:
    sdk = Sdk(shop.url, shop.key, gzip=gzip)
    sdk.tell(user, story.calls(user))
    sdk.deliver()
    shop.check(user)


def test_what_the_python_sdk_has_to_send_again_is_neither_lost_nor_twice(shop: Shop, proxy: Proxy, user: str) -> None:
    proxy.trouble = list(TROUBLE)
    sdk = Sdk(proxy.url, shop.key)
    sdk.tell(user, story.calls(user))
    sdk.client.flush()
    sdk.deliver()
    assert [done for _, done in proxy.seen[:4]] == list(TROUBLE)
    assert proxy.waited_after(Refuse(429, retry_after=1)) >= 1
    shop.check(user)


def test_a_broker_that_is_down_costs_the_python_sdk_nothing(shop: Shop, proxy: Proxy, user: str) -> None:
    """Row 6"""
    shop.stack.kill("kafka")
    sdk = Sdk(proxy.url, shop.key)
    sdk.tell(user, story.calls(user))
    shop.wait_for(lambda: proxy.seen, "the SDK's first try")
    time.sleep(1)
    shop.stack.start("kafka")
    sdk.client.flush()
    sdk.deliver()
    shop.check(user)


def test_the_largest_events_and_batches_that_the_python_sdk_sends_go_in(shop: Shop, proxy: Proxy, user: str) -> None:
    """It sends 32 KiB an event, and adds one more such event to a batch of just under 475,000 bytes."""
    sdk = Sdk(proxy.url, shop.key, upload_interval=2)
    for size in [*[MAX_MSG_SIZE] * 14, BATCH_SIZE_LIMIT - 14 * MAX_MSG_SIZE - 10, MAX_MSG_SIZE]:
        sdk.client.track(user, "Large", {"text": "x" * (size - _bytes_without_text(user))})
    sdk.deliver()
    assert proxy.largest > 500_000
    shop.drain()
    assert shop.customer(user)["visits"] == 16


def _bytes_without_text(user: str) -> int:
    _, message = Client("key", send=False).track(user, "Large", {"text": ""})
    return len(json.dumps(message, cls=DatetimeSerializer))


async def test_of_a_batch_the_good_events_go_in_and_the_bad_one_is_parked(shop: Shop, user: str) -> None:
    """Row 49: and the SDK, which reads no answer, goes on."""
    sdk = Sdk(shop.url, shop.key)
    spoilt = {
        "type": "track",
        "event": "Order Completed",
        "properties": {"order_id": "o", "total": 1.234, "currency": "EUR"},
    }
    sdk.tell(user, [*story.calls(user), spoilt])
    sdk.deliver()
    shop.check(user)
    database = Database(shop.database_url)
    [parked] = [row for row in await rows(database, "SELECT * FROM parked") if user.encode() in row["body"]]
    await database.close()
    assert "money-invalid" in parked["reason"]
