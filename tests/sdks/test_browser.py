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
BATCHING = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 50, "timeout": 500}}}
SINGLE: dict[str, Any] = {}
LANDING = {"type": "page", "name": "Landing", "properties": {}}


@pytest.mark.parametrize(
    ("integration", "paths"), [(SINGLE, {f"/v1/{each}" for each in "itpsag"}), (BATCHING, {"/v1/b"})]
)
def test_all_that_a_page_tells_has_its_effect_whatever_its_clock_says(
    shop: Shop, user: str, integration: dict[str, Any], paths: set[str]
) -> None:
    calls = [LANDING, *story.calls(user)]
    told = run(
        "browser.mjs",
        url=shop.url,
        key=shop.key,
        user=user,
        calls=calls,
        integration=integration,
        clock_off_ms=3 * HOURS,
    )
    # All that it needed to know was in the settings document that we serve.
    assert told["hosts"] == [urlsplit(shop.url).netloc]
    assert {(post["path"], post["status"]) for post in told["posts"]} == {(path, 200) for path in paths}
    shop.check(user)
    assert shop.stranger(told["anonymous_id"])["visits"] == 1


@pytest.mark.parametrize("integration", [SINGLE, BATCHING])
def test_a_pages_own_key_tells_visits_and_no_orders(shop: Shop, user: str, integration: dict[str, Any]) -> None:
    """Row 75"""
    run("browser.mjs", url=shop.url, key=shop.browser_key, user=user, calls=story.calls(user), integration=integration)
    shop.drain()
    customer = shop.customer(user)
    # Without the visit that a placed order is.
    assert (customer["visits"], customer["orders"], customer["member"]) == (story.VISITS - 1, 0, True)
    assert shop.orders(user) == []


@pytest.mark.parametrize("integration", [SINGLE, BATCHING])
def test_what_a_page_has_to_send_again_is_neither_lost_nor_twice(
    shop: Shop, proxy: Proxy, user: str, integration: dict[str, Any]
) -> None:
    proxy.trouble = list(TROUBLE)
    calls = story.calls(user)
    told = run(
        "browser.mjs", url=proxy.url, key=shop.key, user=user, calls=calls, integration=integration, quiet_ms=5000
    )
    assert told["hosts"] == [urlsplit(proxy.url).netloc]
    assert [done for _, done in proxy.seen[:4]] == list(TROUBLE)
    if integration is BATCHING:
        assert proxy.waited_after(Refuse(429, retry_after=1)) >= 1
    shop.check(user)


def test_what_a_page_still_holds_when_it_is_left_is_sent(shop: Shop, user: str) -> None:
    """And a beacon of a page's own: `text/plain`, with its key in the body."""
    waiting = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 100, "timeout": 60_000}}}
    beacon = {"type": "page", "userId": user, "messageId": f"beacon-{user}", "name": "Goodbye"}
    told = run(
        "browser.mjs",
        url=shop.url,
        key=shop.key,
        user=user,
        calls=story.calls(user),
        integration=waiting,
        leave_at_once=True,
        beacon=beacon,
    )
    assert {post["path"] for post in told["posts"]} <= {"/v1/b", "/v1/p"}
    shop.check(user, visits=story.VISITS + 1)
