"""The table of Segment's calls: what each becomes, and that no name is dropped. And what a browser needs to call."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.profile.routes.ingest import PATHS
from services.profile.schemas.segment import CALLS, NO_VISITS, ORDERS, VISITS, read, to_event
from shared import topics
from shared.errors import Invalid
from shared.events import Event
from tests.architecture.test_doors import make_app

NOW = datetime(2026, 5, 1, tzinfo=UTC)
# What a shop's own event may hold under names that only order events are read for.
ODD = {"total": "about ten", "currency": "points", "coupon": 7, "order_id": {"a": 1}, "refund_id": [], "revenue": None}


def event_of(**message: Any) -> tuple[str, Any]:
    topic, _, event = to_event(read(json.dumps({"userId": "anna", **message}).encode()), "m1", NOW, None)
    return topic, event


@pytest.mark.parametrize("name", [*VISITS, "Survey Answered", "order completed", "シェア"])
def test_a_track_of_any_other_name_is_a_visit_of_that_name_whatever_its_properties_hold(name: str) -> None:
    topic, event = event_of(type="track", event=name, properties={**ODD, "channel": "app"}, traits={"member": "maybe"})
    assert (topic, event.data.name, event.data.channel) == (topics.STOREFRONT_VISITS, name, "app")


@pytest.mark.parametrize("name", NO_VISITS)
def test_what_is_told_of_a_parcel_or_a_letter_is_no_visit_and_keeps_its_name(name: str) -> None:
    topic, event = event_of(type="track", event=name)
    assert (topic, event.data.told_by) == (topics.STOREFRONT_IDENTITIES, name)
    assert event.data.person.source_id == "anna"


@pytest.mark.parametrize("call", ["page", "screen"])
def test_a_page_and_a_screen_are_visits_of_their_name_or_of_their_kind(call: str) -> None:
    assert event_of(type=call, name="Basket")[1].data.name == "Basket"
    assert event_of(type=call, name=None, properties=ODD)[1].data.name == call


def test_alias_and_group_keep_what_they_say_and_the_customer_exists() -> None:
    topic, alias = event_of(type="alias", previousId="a-5")
    assert (topic, alias.data.told_by, alias.data.previous_id) == (topics.STOREFRONT_IDENTITIES, "alias", "a-5")
    topic, group = event_of(type="group", groupId="g-1", traits={"name": "Initech", "member": 7})
    assert (topic, group.data.told_by, group.data.group_id) == (topics.STOREFRONT_IDENTITIES, "group", "g-1")


@pytest.mark.parametrize(
    ("message", "pointer"),
    [
        ({"type": "alias"}, "/previousId"),
        ({"type": "group"}, "/groupId"),
        ({"type": "track"}, "/event"),
        ({"type": "trak"}, "/type"),
        ({"event": "x"}, "/type"),
    ],
)
def test_a_call_that_lacks_what_it_is_about_is_refused_with_the_field(message: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        event_of(**message)
    assert refused.value.pointer == pointer


def test_every_rule_makes_the_event_and_goes_to_the_topic_that_the_table_shows() -> None:
    properties = {"order_id": "o1", "total": "10.00", "currency": "CNY"}
    more = {"previousId": "a-5", "groupId": "g-1", "properties": properties}
    calls = [({"type": call}, rule) for call, rule in CALLS.items()]
    for call, rule in [*calls, *(({"type": "track", "event": name}, rule) for name, rule in ORDERS.items())]:
        topic, event = event_of(**call, **more)
        assert (topic, type(event)) == (rule.topic, rule.event)
        assert isinstance(event, Event)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=make_app("profile"))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_of_any_origin_may_call_and_read_the_answer(http: httpx.AsyncClient, path: str) -> None:
    """What the browser's SDK sends besides the body: its key, how often it has tried, and `text/plain`."""
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-retry-count",
    }
    preflight = await http.options(path, headers=asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "x-retry-count"))
    refused = await http.post(path, headers={"Origin": "https://shop.example"}, content=b"{}")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    # Without this a script cannot see how long it is asked to wait.
    assert "Retry-After" in refused.headers["access-control-expose-headers"]


async def test_a_page_of_any_origin_may_read_the_settings_document_or_why_there_is_none(
    http: httpx.AsyncClient,
) -> None:
    refused = await http.get("/v1/projects/no-key/settings", headers={"Origin": "https://shop.example"})
    assert (refused.status_code, refused.json()["code"]) == (401, "key-missing")
    assert refused.headers["access-control-allow-origin"] == "*"
