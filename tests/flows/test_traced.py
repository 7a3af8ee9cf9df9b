"""Tracing a whole system: what one order causes in five services is one trace, from the HTTP door to its figures."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from demo.storefront import SERVICES, Doors, Http, Storefront
from deploy.local.stack import Stack
from deploy.local.state import Home
from shared.clock import wall
from tests.flows.conftest import MakeSystem
from tests.support.collecting import Collector, Span, collecting

GIVEN_TRACE, GIVEN_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
UNSAMPLED_TRACE = "5" * 32
TEMPLATE = {
    "name": "10 % for a second order",
    "kind": "welcome",
    "minimum_spend": 3000,
    "discount": {"type": "percent_off", "percent": 10, "cap": 2000, "currency": "USD"},
    "validity": {"type": "relative", "days": 14},
    "subsidy": {"platform_share": 70, "merchant_share": 30},
}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("COMEBACK_OTLP_ENDPOINT", found.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        yield found


@asynccontextmanager
async def ticking(doors: Doors) -> AsyncIterator[None]:
    storefront = Storefront(doors.bootstrap)
    await storefront.start()

    async def tick() -> None:
        while True:
            await storefront.tick(wall())
            await asyncio.sleep(0.3)

    task = asyncio.create_task(tick())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await storefront.stop()


async def start_campaign(http: Http) -> str:
    """Whoever becomes a new customer from now on gets a coupon."""
    async with asyncio.timeout(30):
        while datetime.fromisoformat((await http.get("targeting", "/v1/clock"))["at"]).year < 2000:
            await asyncio.sleep(0.1)
    template = await http.post("coupons", "/v1/templates", TEMPLATE, "template")
    campaign = {
        "name": "Welcome",
        "template_id": template["template_id"],
        "goal": "retention",
        "audience": {"kind": "stage", "stage": "new"},
        "trigger": {"kind": "entered"},
        "starts_at": wall().isoformat(),
        "channel": "mail",
        "business_line": "shop",
        "holdout": 0,
    }
    campaign_id: str = (await http.post("targeting", "/v1/campaigns", campaign, "campaign"))["campaign_id"]
    await http.post("targeting", f"/v1/campaigns/{campaign_id}/start", {}, "start")
    return campaign_id


async def order(doors: Doors, who: str, traceparent: str | None = None) -> None:
    """A storefront's call at the ingest door."""
    headers = {"Authorization": f"Bearer {doors.api_key}"} | ({"traceparent": traceparent} if traceparent else {})
    properties = {"order_id": f"o-{who}", "total": 49.90, "currency": "USD", "shop_id": "north"}
    body = {"userId": who, "event": "Order Completed", "messageId": f"m-{who}", "properties": properties}
    async with httpx.AsyncClient(headers=headers) as client:
        (await client.post(f"{doors.urls['profile']}/v1/track", json=body)).raise_for_status()


def complete(spans: list[Span]) -> bool:
    """The trace has come to its figure, metrics heard of the coupon, and no process still keeps a span of it."""
    known = {"", GIVEN_SPAN} | {span.span_id for span in spans}
    ended = any(span.service == "metrics" and "coupon.issued" in span.types for span in spans)
    return ended and all(span.parent_id in known for span in spans)


def path_to(span: Span, spans: list[Span]) -> list[Span]:
    """From the root to the span; fails if a parent is missing."""
    by_id = {each.span_id: each for each in spans}
    path = [span]
    while path[0].parent_id not in ("", GIVEN_SPAN):
        path.insert(0, by_id[path[0].parent_id])
    return path


def check_trace(spans: list[Span], root_parent: str) -> None:
    [root] = [span for span in spans if span.name == "POST /v1/track"]
    assert (root.service, root.parent_id, root.attributes["http.route"]) == ("profile", root_parent, "/v1/track")
    assert {span.service for span in spans} == set(SERVICES)
    assert all(path_to(span, spans)[0] == root for span in spans)
    figure = next(span for span in spans if span.service == "metrics" and "coupon.issued" in span.types)
    path = path_to(figure, spans)
    assert [span.service for span in path[-3:]] == ["targeting", "coupons", "metrics"]
    assert any("decision.made" in span.types for span in path if span.service == "coupons")
    by_id = {span.span_id: span for span in spans}
    changes = [span for span in spans if span.service == "targeting" and "lifecycle.stage_changed" in span.types]
    assert {by_id[span.parent_id].service for span in changes} == {"segmentation"}


def logged(stack: Stack, process: str, field: str) -> set[str]:
    lines = Home(stack.home.folder).log(process).read_text().splitlines()
    found: set[str] = set()
    for line in lines:
        told: Any = json.loads(line).get(field, []) if line.startswith("{") else []
        found |= {told} if isinstance(told, str) else set(told)
    return found


async def test_an_order_is_one_trace_from_the_door_to_its_figures(
    make_system: MakeSystem, collector: Collector
) -> None:
    stack = await asyncio.to_thread(make_system)
    doors = Doors.of(stack.environment())
    http = Http(doors)
    async with ticking(doors):
        campaign_id = await start_campaign(http)
        await asyncio.gather(
            order(doors, "anna"),
            order(doors, "bea", f"00-{GIVEN_TRACE}-{GIVEN_SPAN}-01"),
            order(doors, "carl", f"00-{UNSAMPLED_TRACE}-{GIVEN_SPAN}-00"),
        )
        await asyncio.to_thread(collector.wait_for, lambda: len(doors_of(collector)) == 2)
        [own_trace] = {span.trace_id for span in doors_of(collector)} - {GIVEN_TRACE}
        for trace_id in (own_trace, GIVEN_TRACE):
            await asyncio.to_thread(collector.wait_for, lambda of=trace_id: complete(collector.trace(of)))
    figures = await http.get("metrics", f"/v1/campaigns/{campaign_id}/metrics")
    await http.close()
    check_trace(collector.trace(own_trace), "")
    check_trace(collector.trace(GIVEN_TRACE), GIVEN_SPAN)
    assert collector.trace(UNSAMPLED_TRACE) == []
    assert figures["issued"] >= 2
    assert {own_trace, GIVEN_TRACE} <= logged(stack, "profile", "trace_id")
    for service in SERVICES:
        assert {own_trace, GIVEN_TRACE} <= logged(stack, f"{service}-worker", "trace_ids")


def doors_of(collector: Collector) -> list[Span]:
    return [span for span in collector.spans if span.name == "POST /v1/track"]
