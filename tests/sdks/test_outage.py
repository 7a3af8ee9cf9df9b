"""A broker that is down while Segment's SDKs for Node and browsers have something to tell."""

import pytest

from tests.sdks import story
from tests.sdks.driving import result_of, running
from tests.sdks.proxy import Proxy
from tests.sdks.shop import Shop

pytestmark = pytest.mark.node

BATCHING = {"deliveryStrategy": {"strategy": "batching", "config": {"size": 100, "timeout": 1_000}}}


def test_a_broker_that_is_down_costs_nobody_anything(shop: Shop, proxy: Proxy, user: str) -> None:
    """Row 6: down for so long that the door has said 503, and the SDKs have sent again what they hold."""
    told = {"url": proxy.url, "key": shop.key}
    page, server = f"{user}-p", f"{user}-s"
    shop.stack.kill("kafka")
    with (
        running("browser.mjs", **told, user=page, calls=story.calls(page), integration=BATCHING, until=1) as one,
        running("node.mjs", **told, user=server, calls=story.calls(server)) as other,
    ):
        shop.wait_for(lambda: 503 in proxy.statuses, "the door's 503")
        shop.stack.start("kafka")
        result_of(one)
        assert result_of(other)["failed"] == []
    shop.check(page)
    shop.check(server)
