"""`@segment/analytics-next`, unmodified, in a headless Chromium, in a page of another origin than the ingest door."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.sdks import story
from tests.sdks.driving import run
from tests.sdks.proxy import TROUBLE, Proxy, Refuse
from tests.sdks.shop import Shop

pytestmark = pytest.mark.node

HOURS = 3_600_000  # milliseconds
LANDING = {"type": "page", "name": "Landing", "properties": {}}
MODES = pytest.mark.parametrize("batching", [False, True], ids=["single", "batch"])


def page(url: str, key: str, user: str, calls: list[dict[str, Any]], *, batching: bool, **more: Any) -> dict[str, Any]:
    """A page that makes these calls, each by itself as the settings document says, or all in one batch."""
    batch = {"deliveryStrategy": {"strategy": "batching", "config": {"size": len(calls), "timeout": 10_000}}}
    told = {"until": 1, "integration": batch} if batching else {"until": len(calls)}
    return run("browser.mjs", **{"url": url, "key": key, "user": user, "calls": calls, **told, **more})


@MODES
def test_all_that_a_page_tells_has_its_effect_whatever_its_clock_says(shop: Shop, user: str, batching: bool) -> None:
    calls = [LANDING, *story.calls(user)]
    told = page(shop.url, shop.key, user, calls, batching=batching, clock_off_ms=3 * HOURS)
    # All that it needed to know was in the settings document that we serve.
    assert told["hosts"] == [urlsplit(shop.url).netloc]
    paths = {"/v1/b"} if batching else {f"/v1/{letter}" for letter in "itpsag"}
    assert {(post["path"], post["status"]) for post in told["posts"]} == {(path, 200) for path in paths}
    shop.check(user)
    assert shop.stranger(told["anonymous_id"])["visits"] == 1


@MODES
def test_a_pages_own_key_tells_visits_and_no_orders(shop: Shop, user: str, batching: bool) -> None:
    """Row 75"""
    page(shop.url, shop.browser_key, user, story.calls(user), batching=batching)
    shop.drain()
    customer = shop.customer(user)
    # Without the visit that a placed order is.
    assert (customer["visits"], customer["orders"], customer["member"]) == (story.VISITS - 1, 0, True)
    assert shop.orders(user) == []


@MODES
def test_what_a_page_has_to_send_again_is_neither_lost_nor_twice(
    shop: Shop, proxy: Proxy, user: str, batching: bool
) -> None:
    proxy.trouble = list(TROUBLE)
    told = page(proxy.url, shop.key, user, story.calls(user), batching=batching)
    assert told["hosts"] == [urlsplit(proxy.url).netloc]
    assert [done for _, done in proxy.seen[:4]] == list(TROUBLE)
    if batching:
        assert proxy.waited_after(Refuse(429, retry_after=1)) >= 1
    shop.check(user)


def test_what_a_page_still_holds_when_it_is_left_is_sent(shop: Shop, user: str) -> None:
    """And a beacon of a page's own: `text/plain`, with its key in the body."""
    waiting = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 100, "timeout": 60_000}}}
    beacon = {"type": "page", "userId": user, "messageId": f"beacon-{user}", "name": "Goodbye"}
    more = {"integration": waiting, "leave_at_once": True, "beacon": beacon}
    page(shop.url, shop.key, user, story.calls(user), batching=True, **more)
    shop.check(user, visits=story.VISITS + 1)
