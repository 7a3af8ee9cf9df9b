"""Segmentation's HTTP doors: segments, previews, lifecycle figures, and what they refuse."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.segmentation.app import make_app
from services.segmentation.repository import previews
from services.segmentation.settings import Settings
from shared.database import Database
from tests.conftest import FreshDatabase
from tests.segmentation.given import Shop, apply, day, profile, tick
from tests.support.doing import client, settings_for

RULE: dict[str, Any] = {"field": "orders", "op": "gte", "value": 2}


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    """Anna bought twice and fell silent, ben bought once, cara only looked; the clock is at day 40."""
    database = await fresh_database("segmentation")
    shop = Shop()
    await apply(database, *shop.buys("anna", 0.5, 1500), *shop.buys("anna", 2.5, 3500), *shop.buys("ben", 39))
    await apply(database, *shop.visits_at("cara", 12))
    await tick(database, 40)
    return database


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(make_app(settings_for(database, Settings)), database) as http:
        yield http


async def create(http: httpx.AsyncClient, rule: Any = RULE, name: str = "loyal") -> Any:
    answer = await http.post("/v1/segments", json={"name": name, "rule": rule})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_segment_is_made_filled_and_read(database: Database, http: httpx.AsyncClient) -> None:
    made = await create(http)
    assert (made["version"], made["status"], made["progress"]) == (1, "filling", {"done": 0, "total": 3})
    assert (made["name"], made["rule"], made["created_at"]) == ("loyal", RULE, "2026-02-10T00:00:00Z")
    await tick(database, 41)
    path = f"/v1/segments/{made['segment_id']}"
    found = (await http.get(path)).json()
    assert (found["status"], found["progress"]) == ("active", {"done": 3, "total": 3})
    assert (await http.get(f"{path}/members")).json()["data"] == [
        {"customer_id": "anna", "source_id": "anna", "since": "2026-02-11T00:00:00Z", "segment_version": 1}
    ]
    (membership,) = (await http.get("/v1/customers/anna/segments")).json()["data"]
    assert (membership["segment_id"], membership["name"]) == (made["segment_id"], "loyal")
    assert (await http.get("/v1/customers/ben/segments")).json()["data"] == []


async def test_segments_are_listed_in_pages_the_oldest_first(http: httpx.AsyncClient) -> None:
    made = {(await create(http, name=f"number {number}"))["segment_id"] for number in range(5)}
    found: list[str] = []
    cursor = None
    while True:
        page = (await http.get("/v1/segments", params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        found += [segment["segment_id"] for segment in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert (set(found), len(found)) == (made, 5)


async def test_segments_made_before_the_first_tick_are_listed_too(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("segmentation")
    async with client(make_app(settings_for(database, Settings)), database) as http:
        made = [await create(http), await create(http)]
        assert all(segment["created_at"].endswith("Z") for segment in made)
        first = (await http.get("/v1/segments", params={"limit": 1})).json()
        rest = (await http.get("/v1/segments", params={"cursor": first["next_cursor"]})).json()
        assert len(first["data"]) == len(rest["data"]) == 1


async def test_a_change_keeps_what_it_does_not_name(database: Database, http: httpx.AsyncClient) -> None:
    path = f"/v1/segments/{(await create(http))['segment_id']}"
    await tick(database, 41)
    renamed = (await http.patch(path, json={"name": "others"})).json()
    assert (renamed["name"], renamed["rule"], renamed["version"], renamed["status"]) == ("others", RULE, 1, "active")
    ruled = (await http.patch(path, json={"rule": {"not": RULE}})).json()
    assert (ruled["name"], ruled["rule"], ruled["version"], ruled["status"]) == ("others", {"not": RULE}, 2, "filling")
    assert (await http.patch(path, json={})).json()["version"] == 2
    for body in ({"name": ""}, {"name": None}, {"rule": None}, {"rule": {}}, {"colour": "red"}):
        assert (await http.patch(path, json=body)).status_code == 422, body


async def test_a_deleted_segment_is_gone(database: Database, http: httpx.AsyncClient) -> None:
    segment_id = (await create(http))["segment_id"]
    path = f"/v1/segments/{segment_id}"
    await tick(database, 41)
    answer = await http.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for found in (
        await http.get(path),
        await http.get(f"{path}/members"),
        await http.patch(path, json={"name": "back"}),
        await http.delete(path),
    ):
        assert (found.status_code, found.json()["code"]) == (404, "segment-not-found")
    assert (await http.get("/v1/segments")).json()["data"] == []
    assert (await http.get("/v1/customers/anna/segments")).json()["data"] == []


async def test_a_preview_counts_and_shows_samples_and_stores_nothing(http: httpx.AsyncClient) -> None:
    rule = {
        "all": [
            {"field": "average_order_value", "op": "gte", "value": 2500, "currency": "USD"},
            {"field": "stage", "op": "in", "value": ["silent", "churned"]},
            {"field": "last_order_at", "op": "over_days_ago", "value": 30},
        ]
    }
    found = (await http.post("/v1/segments/preview", json={"rule": rule})).json()
    assert found["count"] == 1
    (anna,) = found["samples"]
    assert (anna["customer_id"], anna["stage"], anna["orders"]) == ("anna", "silent", 2)
    assert anna["spend"] == {"USD": {"orders": 2, "paid_amount": 5000}}
    assert anna["stage_since"] == "2026-02-02T12:00:00Z"
    assert (await http.get("/v1/segments")).json()["data"] == []


async def test_a_preview_of_the_past_goes_by_what_was_the_case_then(http: httpx.AsyncClient) -> None:
    """SG1: the two orders of anna at noon of day 0 and of day 2, her silence from day 32, cara's visit on day 12"""

    async def found(rule: dict[str, Any], at: float) -> list[str]:
        answer = await http.post("/v1/segments/preview", json={"rule": rule, "at": day(at).isoformat()})
        assert answer.status_code == 200, answer.text
        assert answer.json()["count"] == len(answer.json()["samples"])
        return [each["customer_id"] for each in answer.json()["samples"]]

    silent = {"field": "stage", "op": "eq", "value": "silent"}
    recent = {"field": "last_order_at", "op": "within_days", "value": 30}
    assert [await found(RULE, at) for at in (2.49, 2.5, 40)] == [[], ["anna"], ["anna"]]
    assert [await found(silent, at) for at in (32.49, 32.5, 40)] == [[], ["anna"], ["anna"]]
    assert [await found(recent, at) for at in (0.49, 0.5, 32.49, 32.5, 40)] == [[], ["anna"], ["anna"], [], ["ben"]]
    assert await found(RULE, 32.5) == ["anna"], "at the instant of a step somebody stands in one stage"
    assert [await found({"not": RULE}, at) for at in (0, 1, 12, 39)] == [[], ["anna"], ["cara"], ["ben", "cara"]]


async def test_a_preview_of_the_past_asks_nothing_that_is_not_known_of_it(http: httpx.AsyncClient) -> None:
    spent = {"all": [RULE, {"field": "paid_amount", "op": "gt", "value": 1, "currency": "USD"}]}
    for rule, at, code, pointer in [
        (spent, 3, "fact-unknown-then", "/rule"),
        (RULE, 41, "at-in-the-future", "/at"),
    ]:
        answer = await http.post("/v1/segments/preview", json={"rule": rule, "at": day(at).isoformat()})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["errors"][0]["pointer"] == pointer


async def test_a_preview_shows_ten_samples_at_the_most(database: Database, http: httpx.AsyncClient) -> None:
    await apply(database, *(profile(f"x{number}") for number in range(20)))
    found = (await http.post("/v1/segments/preview", json={"rule": {"not": RULE}})).json()
    assert (found["count"], len(found["samples"])) == (22, 10)


@pytest.mark.parametrize("path", ["/v1/segments", "/v1/segments/preview"])
@pytest.mark.parametrize(
    ("rule", "code", "pointer"),
    [
        ({"field": "age", "op": "gt", "value": 3}, "rule-field-unknown", "/rule/field"),
        ({"field": "\ud800", "op": "gt", "value": 3}, "rule-field-unknown", "/rule/field"),
        ({"field": "source_id", "op": "eq", "value": "\ud800"}, "rule-value-invalid", "/rule/value"),
        ({"any": [{"field": "orders", "op": "like", "value": 3}]}, "rule-operator-unknown", "/rule/any/0/op"),
        ({"field": "orders", "op": "eq", "value": 1e300}, "rule-value-invalid", "/rule/value"),
        ({"field": "orders", "op": "eq", "value": 10**400}, "rule-value-invalid", "/rule/value"),
        ({"\ud800": 1}, "rule-value-invalid", "/rule"),
    ],
)
async def test_a_broken_rule_is_refused_at_its_place(
    http: httpx.AsyncClient, path: str, rule: dict[str, Any], code: str, pointer: str
) -> None:
    body = {"rule": rule} if path.endswith("preview") else {"name": "x", "rule": rule}
    answer = await http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"name": "x", "rule": ' + '{"not": ' * 5_000 + "1" + "}" * 5_001,
        '{"name": "x", "rule": {"field": "orders", "op": "eq", "value": NaN}}',
        '{"name": "x", "rule": 5}',
        '{"name": "x"}',
        '{"name": "a\\u0000b", "rule": {"field": "orders", "op": "eq", "value": 3}}',
        '{"name": "\\ud800", "rule": {"field": "orders", "op": "eq", "value": 3}}',
        '{"name": 3, "rule": {"field": "orders", "op": "eq", "value": 3}}',
        "\x00",
        "null",
        "",
    ],
)
async def test_nothing_that_is_sent_breaks_the_door(http: httpx.AsyncClient, body: str) -> None:
    for path in ("/v1/segments", "/v1/segments/preview"):
        answer = await http.post(path, content=body.encode(), headers={"content-type": "application/json"})
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_repeated_request_makes_one_segment(http: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await http.post("/v1/segments", json={"name": "x", "rule": RULE}, headers=headers)
    again = await http.post("/v1/segments", json={"name": "x", "rule": RULE}, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len((await http.get("/v1/segments")).json()["data"]) == 1


async def test_a_preview_that_takes_too_long_is_refused(
    database: Database, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "_MILLISECONDS", 1)
    await apply(database, *(profile(f"x{number}") for number in range(4_000)))
    slow = {"any": [{"field": "source_id", "op": "in", "value": [f"y{number}" for number in range(1_000)]}] * 60}
    for headers in ({}, {"Idempotency-Key": "slow"}):
        answer = await http.post("/v1/segments/preview", json={"rule": slow}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "rule-too-slow")


async def test_a_customers_lifecycle_is_told_in_pages_the_newest_last(http: httpx.AsyncClient) -> None:
    first = (await http.get("/v1/customers/anna/lifecycle", params={"limit": 2})).json()
    rest = (await http.get("/v1/customers/anna/lifecycle", params={"cursor": first["next_cursor"]})).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    stages = [*first["data"], *rest["data"]]
    assert [(each["stage"], each["from_stage"], each["since"], each["until"]) for each in stages] == [
        ("new", None, "2026-01-01T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("rising", "new", "2026-01-31T12:00:00Z", "2026-02-02T12:00:00Z"),
        ("silent", "rising", "2026-02-02T12:00:00Z", None),
    ]
    assert all(each["model_version"] == 1 and each["reacquired"] is False for each in stages)


@pytest.mark.parametrize("path", ["lifecycle", "segments"])
async def test_an_unknown_customer_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(f"/v1/customers/nobody/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "customer-not-found")


async def test_counts_are_as_of_any_instant_and_name_every_stage(http: httpx.AsyncClient) -> None:
    now = (await http.get("/v1/lifecycle/counts")).json()
    nobody = {"potential": 0, "new": 0, "rising": 0, "mature": 0, "declining": 0, "silent": 0, "churned": 0}
    assert now == {"at": "2026-02-10T00:00:00Z", "counts": {**nobody, "potential": 1, "new": 1, "silent": 1}}
    for at, expected in [
        (-1, {}),
        (0.5, {"new": 1}),
        (12, {"new": 1, "potential": 1}),
        (30.5, {"rising": 1, "potential": 1}),
        (32.5, {"silent": 1, "potential": 1}),
        (40, {"new": 1, "silent": 1, "potential": 1}),
    ]:
        found = (await http.get("/v1/lifecycle/counts", params={"at": day(at).isoformat()})).json()
        assert found["counts"] == {**nobody, **expected}


async def test_nothing_is_counted_after_the_clock(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v1/lifecycle/counts", params={"at": "2026-02-10T00:00:00.000001Z"})
    assert (answer.status_code, answer.json()["code"]) == (422, "at-in-the-future")
    assert answer.json()["errors"][0]["pointer"] == "/at"


@pytest.mark.parametrize(
    "at", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "1", "\x00", "9" * 300]
)
async def test_an_instant_that_is_none_is_refused(http: httpx.AsyncClient, at: str) -> None:
    assert (await http.get("/v1/lifecycle/counts", params={"at": at})).status_code == 422
    assert (await http.get("/v1/lifecycle/transitions", params={"from": at})).status_code == 422


async def test_transitions_are_counted_from_one_instant_until_before_another(http: httpx.AsyncClient) -> None:
    everything = (await http.get("/v1/lifecycle/transitions")).json()["data"]
    assert everything == [
        {"from": None, "to": "new", "count": 2},
        {"from": None, "to": "potential", "count": 1},
        {"from": "new", "to": "rising", "count": 1},
        {"from": "rising", "to": "silent", "count": 1},
    ]
    some = await http.get(
        "/v1/lifecycle/transitions", params={"from": "2026-01-31T12:00:00Z", "to": "2026-02-02T12:00:00Z"}
    )
    assert some.json()["data"] == [{"from": "new", "to": "rising", "count": 1}]


@pytest.mark.parametrize("cursor", ["", "x", "WzFd", "WyJ5ZXN0ZXJkYXkiXQ", "WyJ5ZXN0ZXJkYXkiLCAiYSJd", "e30", "\x00"])
async def test_a_cursor_of_another_list_is_refused(http: httpx.AsyncClient, cursor: str) -> None:
    segment_id = (await create(http))["segment_id"]
    for path in ("segments", f"segments/{segment_id}/members", "customers/anna/lifecycle", "customers/anna/segments"):
        answer = await http.get(f"/v1/{path}", params={"cursor": cursor})
        assert answer.status_code in (200, 422), (path, answer.text)


async def test_a_strange_id_is_just_not_found(http: httpx.AsyncClient) -> None:
    for strange in ("%00", "a%00b", "%ed%a0%80", "x" * 3_000):
        for path in (f"segments/{strange}", f"customers/{strange}/lifecycle", f"segments/{strange}/members"):
            assert (await http.get(f"/v1/{path}")).status_code in (404, 422), path


async def test_each_route_asks_for_its_scope(database: Database) -> None:
    async with client(make_app(settings_for(database, Settings)), database, scopes=["segments:read"]) as reader:
        assert (await reader.get("/v1/segments")).status_code == 200
        assert (await reader.post("/v1/segments/preview", json={"rule": RULE})).status_code == 200
        assert (await reader.get("/v1/lifecycle/counts")).status_code == 200
        assert (await reader.post("/v1/segments", json={"name": "x", "rule": RULE})).status_code == 403
        assert (await reader.patch("/v1/segments/x", json={})).status_code == 403
        assert (await reader.delete("/v1/segments/x")).status_code == 403


async def test_a_key_of_one_shop_sees_nothing_here(database: Database) -> None:
    """Segments and stages are over all shops."""
    async with client(make_app(settings_for(database, Settings)), database, shop_id="s1") as shop:
        for path in ("segments", "lifecycle/counts", "lifecycle/transitions", "customers/anna/lifecycle"):
            assert (await shop.get(f"/v1/{path}")).status_code == 403
