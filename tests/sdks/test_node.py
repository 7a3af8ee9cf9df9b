"""`@segment/analytics-node`, unmodified, against the ingest door."""

import pytest

from tests.sdks import story
from tests.sdks.driving import run
from tests.sdks.proxy import TROUBLE, Proxy, Refuse
from tests.sdks.shop import Shop

pytestmark = pytest.mark.node

HOURS = 3_600_000  # milliseconds


def test_all_that_the_node_sdk_tells_has_its_effect_whatever_its_clock_says(shop: Shop, user: str) -> None:
    told = run("node.mjs", url=shop.url, key=shop.key, user=user, calls=story.calls(user), clock_off_ms=-7 * HOURS)
    assert told["failed"] == []
    shop.check(user)


def test_what_the_node_sdk_has_to_send_again_is_neither_lost_nor_twice(shop: Shop, proxy: Proxy, user: str) -> None:
    proxy.trouble = list(TROUBLE)
    options = {"maxEventsInBatch": 100}
    told = run("node.mjs", url=proxy.url, key=shop.key, user=user, calls=story.calls(user), options=options)
    assert told["failed"] == []
    assert [done for _, done in proxy.seen] == [*TROUBLE, None]
    assert proxy.waited_after(Refuse(429, retry_after=1)) >= 1
    shop.check(user)


def test_many_batches_at_once_are_all_taken(shop: Shop, user: str) -> None:
    calls = [{"type": "track", "event": f"Step {number}"} for number in range(200)]
    told = run("node.mjs", url=shop.url, key=shop.key, user=user, calls=calls, options={"maxEventsInBatch": 10})
    assert told["failed"] == []
    shop.drain()
    assert shop.customer(user)["visits"] == 200
