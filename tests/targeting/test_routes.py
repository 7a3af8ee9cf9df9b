"""Targeting's HTTP doors: campaigns, decisions, and everything that must be refused politely."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.targeting.app import make_app
from services.targeting.settings import Settings
from shared.database import execute
from shared.events.targeting import CampaignUpdated
from tests.support.doing import client, settings_for
from tests.targeting.making import DAY, HOUR, T0, World, customer, entered, known, staged
from tests.targeting.test_actions import coupon

BODY: dict[str, Any] = {
    "name": "Recall the silent",
    "template_id": "tpl_1",
    "goal": "recall",
    "audience": {"kind": "stage", "stage": "silent"},
    "starts_at": "2026-01-01T00:00:00Z",
    "trigger": {"kind": "entered"},
    "channel": "push",
    "business_line": "grocery",
}
JSON = {"content-type": "application/json"}
LIST = {**BODY, "audience": {"kind": "list", "source_ids": ["anna", "ben"]}, "trigger": {"kind": "scheduled"}}


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    await world.tick(T0)
    await world.told()
    async with client(make_app(settings_for(world.database, Settings)), world.database) as http:
        yield http


async def made(http: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/v1/campaigns", json={**BODY, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def act(http: httpx.AsyncClient, campaign_id: str, verb: str) -> httpx.Response:
    return await http.post(f"/v1/campaigns/{campaign_id}/{verb}")


def refused(answer: httpx.Response, status: int, code: str, pointer: str | None = None) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_a_campaign_answers_all_seven_questions_and_says_its_defaults(http: httpx.AsyncClient) -> None:
    """TG1: what, why, who, when, where, how, how much."""
    campaign = await made(http)
    assert campaign["campaign_id"].startswith("cmp_")
    assert (await http.get(f"/v1/campaigns/{campaign['campaign_id']}")).json() == campaign
    del campaign["campaign_id"], campaign["version"], campaign["created_at"]
    assert campaign == {
        **BODY,
        "status": "draft",
        "ends_at": None,
        "holdout": 0.1,
        "priority": 0,
        "attribution_days": 14,
        "max_cause_age_hours": 48,
        "anti_harassment": "on",
        "limit_per_customer": None,
        "expected_roi": None,
        "fired_at": None,
    }


async def test_a_list_shows_its_size_and_not_its_ids(http: httpx.AsyncClient, world: World) -> None:
    """Who is named twice is in it once; a scheduled campaign fires at its start unless it says when."""
    campaign = await made(http, audience={"kind": "list", "source_ids": ["b", "a", "b"]}, trigger={"kind": "scheduled"})
    assert campaign["audience"] == {"kind": "list", "platform": "web", "size": 2}
    assert campaign["trigger"] == {"kind": "scheduled", "at": BODY["starts_at"]}
    assert await world.rows("SELECT source_ids FROM campaign_audience") == [{"source_ids": ["b", "a"]}]


async def test_a_campaign_is_started_paused_and_stopped(http: httpx.AsyncClient, world: World) -> None:
    campaign_id = (await made(http))["campaign_id"]
    for verb, status in (("start", "active"), ("pause", "paused"), ("start", "active"), ("stop", "stopped")):
        answer = await act(http, campaign_id, verb)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    events = await world.told()
    assert [event.data.status for event in events if isinstance(event, CampaignUpdated)] == [
        "draft",
        "active",
        "paused",
        "active",
        "stopped",
    ]


async def test_the_wrong_state_is_a_conflict_with_its_own_code(http: httpx.AsyncClient) -> None:
    campaign_id = (await made(http))["campaign_id"]
    refused(await act(http, campaign_id, "pause"), 409, "campaign-not-active")
    refused(await act(http, campaign_id, "stop"), 409, "campaign-not-running")
    await act(http, campaign_id, "start")
    refused(await act(http, campaign_id, "start"), 409, "campaign-not-startable")
    refused(await http.delete(f"/v1/campaigns/{campaign_id}"), 409, "campaign-not-draft")
    refused(await http.patch(f"/v1/campaigns/{campaign_id}", json={"holdout": 0.2}), 409, "campaign-not-draft")
    await act(http, campaign_id, "stop")
    refused(await http.patch(f"/v1/campaigns/{campaign_id}", json={"name": "x"}), 409, "campaign-over")


async def test_an_overlap_is_refused_and_names_the_other(http: httpx.AsyncClient) -> None:
    """TG11."""
    first = await made(http, name="First")
    second = await made(http, name="Second")
    await act(http, first["campaign_id"], "start")
    answer = await act(http, second["campaign_id"], "start")
    refused(answer, 409, "campaign-overlaps")
    assert first["campaign_id"] in answer.json()["detail"]
    assert "First" in answer.json()["detail"]


async def test_of_starts_that_come_at_once_exactly_one_wins(http: httpx.AsyncClient) -> None:
    """TG11 through the door."""
    drafts = [await made(http) for _ in range(4)]
    answers = await asyncio.gather(*(act(http, draft["campaign_id"], "start") for draft in drafts))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_post_is_repeatable_with_its_key(http: httpx.AsyncClient, world: World) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await http.post("/v1/campaigns", json=BODY, headers=headers)
    again = await http.post("/v1/campaigns", json=BODY, headers=headers)
    assert (again.json(), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert len(await world.rows("SELECT 1 FROM campaigns")) == 1


async def test_a_draft_changes_in_all_it_says(http: httpx.AsyncClient, world: World) -> None:
    campaign = await made(http)
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    changes = {
        **LIST,
        "name": "Another",
        "starts_at": "2026-02-01T00:00:00+01:00",
        "ends_at": "2026-03-01T00:00:00Z",
        "holdout": 0,
        "anti_harassment": "off",
        "limit_per_customer": 3,
        "expected_roi": 2.5,
    }
    changed = (await http.patch(path, json=changes)).json()
    assert changed["version"] > campaign["version"]
    assert changed["audience"] == {"kind": "list", "platform": "web", "size": 2}
    assert changed["trigger"] == {"kind": "scheduled", "at": "2026-01-31T23:00:00Z"}
    assert (changed["holdout"], changed["anti_harassment"], changed["limit_per_customer"]) == (0, "off", 3)
    back = {"audience": BODY["audience"], "trigger": BODY["trigger"], "ends_at": None, "limit_per_customer": None}
    changed = (await http.patch(path, json=back)).json()
    assert (changed["audience"], changed["ends_at"], changed["limit_per_customer"]) == (BODY["audience"], None, None)
    assert changed["name"] == "Another"
    assert await world.rows("SELECT * FROM campaign_audience") == []
    versions = (await http.get(f"{path}/versions")).json()["data"]
    assert [version["name"] for version in versions] == ["Another", "Another", campaign["name"]]
    assert versions[-1] == campaign


async def test_a_draft_is_deleted(http: httpx.AsyncClient) -> None:
    path = f"/v1/campaigns/{(await made(http))['campaign_id']}"
    assert (await http.delete(path)).status_code == 204
    refused(await http.get(path), 404, "campaign-not-found")
    refused(await http.delete(path), 404, "campaign-not-found")


async def test_campaigns_are_listed_newest_first_in_pages_and_by_status(http: httpx.AsyncClient) -> None:
    ids = [(await made(http, name=f"{number}"))["campaign_id"] for number in range(5)]
    await act(http, ids[2], "start")
    found, cursor = [], ""
    while cursor is not None:
        page = (await http.get(f"/v1/campaigns?limit=2{cursor and '&cursor=' + cursor}")).json()
        found += [campaign["campaign_id"] for campaign in page["data"]]
        cursor = page["next_cursor"]
    assert found == ids[::-1]
    active = (await http.get("/v1/campaigns?status=active")).json()["data"]
    assert [campaign["campaign_id"] for campaign in active] == [ids[2]]


async def test_decisions_are_shown_with_what_became_of_them(http: httpx.AsyncClient, world: World) -> None:
    campaign_id = (await made(http, holdout=0))["campaign_id"]
    await act(http, campaign_id, "start")
    await world.hear(
        *(staged(f"cus_{n}", "silent", T0 + HOUR, T0 + DAY, current=n != 0) for n in range(5)),
        staged("cus_0", "rising", T0 + 2 * HOUR, T0 + DAY),
    )
    await world.tick(T0 + DAY)
    path = f"/v1/campaigns/{campaign_id}/decisions"
    everything = (await http.get(path)).json()["data"]
    assert [each["customer_id"] for each in everything] == [f"cus_{n}" for n in (4, 3, 2, 1, 0)]
    page = (await http.get(path, params={"limit": 2})).json()
    rest = (await http.get(path, params={"limit": 200, "cursor": page["next_cursor"]})).json()
    assert page["data"] + rest["data"] == everything
    suppressed = (await http.get(path, params={"arm": "suppressed"})).json()["data"]
    assert [(each["customer_id"], each["reasons"]) for each in suppressed] == [("cus_0", ["cause-gone"])]
    assert len((await http.get(path, params={"arm": "treated", "customer_id": "cus_3"})).json()["data"]) == 1

    decision_id = everything[0]["decision_id"]
    assert everything[0]["outcome"] is None
    await world.hear(coupon(decision_id))
    shown = (await http.get(f"/v1/decisions/{decision_id}")).json()
    assert shown == {
        **everything[0],
        "outcome": "issued",
        "outcome_at": "2026-01-01T01:00:00Z",
        "coupon_id": "cpn_1",
        "coupon_code": "CODE1",
    }
    assert shown["stage"] == "silent"
    assert shown["caused_at"] == shown["stage_since"] == "2026-01-01T01:00:00Z"
    assert (await http.get("/v1/customers/cus_4/decisions")).json()["data"] == [shown]


async def test_a_known_customer_without_decisions_has_an_empty_list(http: httpx.AsyncClient, world: World) -> None:
    await world.hear(known("anna"), entered("cus_b", T0, T0))
    assert (await http.get(f"/v1/customers/{customer('anna')}/decisions")).json()["data"] == []


MISSING = {
    "/v1/campaigns/cmp_x": "campaign-not-found",
    "/v1/campaigns/cmp_x/decisions": "campaign-not-found",
    "/v1/campaigns/cmp_x/versions": "campaign-not-found",
    "/v1/customers/cus_x/decisions": "customer-not-found",
    "/v1/decisions/dec_x": "decision-not-found",
}


async def test_what_does_not_exist_has_its_own_code(http: httpx.AsyncClient) -> None:
    for path, code in MISSING.items():
        refused(await http.get(path), 404, code)
    for verb in ("start", "pause", "stop"):
        refused(await act(http, "cmp_x", verb), 404, "campaign-not-found")


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "holdout above 1": ({"holdout": 1.5}, "less-than-equal", "/holdout"),
    "holdout below 0": ({"holdout": -0.1}, "greater-than-equal", "/holdout"),
    "holdout as text": ({"holdout": "0.1"}, "float-type", "/holdout"),
    "holdout as truth": ({"holdout": True}, "float-type", "/holdout"),
    "holdout null": ({"holdout": None}, "float-type", "/holdout"),
    "priority not whole": ({"priority": 1.5}, "int-type", "/priority"),
    "priority huge": ({"priority": 10**30}, "less-than-equal", "/priority"),
    "no attribution": ({"attribution_days": 0}, "greater-than-equal", "/attribution_days"),
    "limit of none": ({"limit_per_customer": 0}, "greater-than-equal", "/limit_per_customer"),
    "harassment maybe": ({"anti_harassment": "maybe"}, "literal-error", "/anti_harassment"),
    "unknown goal": ({"goal": "fun"}, "literal-error", "/goal"),
    "unknown stage": ({"audience": {"kind": "stage", "stage": "asleep"}}, "literal-error", "/audience/stage"),
    "unknown kind": ({"audience": {"kind": "everybody"}}, "kind-unknown", "/audience"),
    "audience a text": ({"audience": "all"}, "kind-unknown", "/audience"),
    "kind a list": ({"audience": {"kind": ["list"]}}, "kind-unknown", "/audience"),
    "empty list": ({"audience": {"kind": "list", "source_ids": []}}, "too-short", "/audience/source_ids"),
    "list with both": (
        {"audience": {"kind": "list", "source_ids": ["a"], "stage": "new"}},
        "extra-forbidden",
        "/audience/stage",
    ),
    "empty id": ({"audience": {"kind": "list", "source_ids": ["a", ""]}}, "string-too-short", "/audience/source_ids/1"),
    "long id": (
        {"audience": {"kind": "list", "source_ids": ["a", "b", "x" * 257]}},
        "string-too-long",
        "/audience/source_ids/2",
    ),
    "number as id": ({"audience": {"kind": "list", "source_ids": [7]}}, "string-type", "/audience/source_ids/0"),
    "NUL in an id": ({"audience": {"kind": "list", "source_ids": ["a\x00"]}}, "value-error", "/audience/source_ids/0"),
    "half a pair": (
        {"audience": {"kind": "list", "source_ids": ["\ud800"]}},
        "string-unicode",
        "/audience/source_ids/0",
    ),
    "NUL in the name": ({"name": "a\x00b"}, "value-error", "/name"),
    "no name": ({"name": ""}, "string-too-short", "/name"),
    "naive instant": ({"starts_at": "2026-01-01T00:00:00"}, "timezone-aware", "/starts_at"),
    "instant as number": ({"starts_at": 1767225600}, "value-error", "/starts_at"),
    "instant as number in quotes": ({"starts_at": "1767225600"}, "value-error", "/starts_at"),
    "instant before year 1": ({"starts_at": "0001-01-01T00:00:00+14:00"}, "value-error", "/starts_at"),
    "the last instant of all": ({"ends_at": "9999-12-31T23:59:59.999999Z"}, "value-error", "/ends_at"),
    "no trigger": ({"trigger": None}, "kind-unknown", "/trigger"),
    "trigger at no instant": ({"trigger": {"kind": "scheduled", "at": "soon"}}, "value-error", "/trigger/at"),
    "entered at an instant": (
        {"trigger": {"kind": "entered", "at": "2026-01-01T00:00:00Z"}},
        "extra-forbidden",
        "/trigger/at",
    ),
    "ends before start": ({"ends_at": "2025-12-31T00:00:00Z"}, "ends-before-start", "/ends_at"),
    "nobody enters a list": (
        {"audience": {"kind": "list", "source_ids": ["a"]}},
        "list-cannot-be-entered",
        "/trigger/kind",
    ),
    "fires outside": (
        {"trigger": {"kind": "scheduled", "at": "2025-01-01T00:00:00Z"}},
        "trigger-outside-window",
        "/trigger/at",
    ),
    "unknown field": ({"budget": 100}, "extra-forbidden", "/budget"),
}


async def test_bad_input_is_refused_with_a_pointer(http: httpx.AsyncClient, world: World) -> None:
    for case, (fields, code, pointer) in BAD.items():
        answer = await http.post("/v1/campaigns", content=json.dumps({**BODY, **fields}), headers=JSON)
        found = [(error["code"], error["pointer"]) for error in answer.json()["errors"]]
        assert (case, answer.status_code, found) == (case, 422, [(code, pointer)])
    assert await world.rows("SELECT 1 FROM campaigns") == []


async def test_a_bad_change_is_refused_with_a_pointer(http: httpx.AsyncClient) -> None:
    campaign = await made(http)
    path = f"/v1/campaigns/{campaign['campaign_id']}"
    for case, (fields, code, pointer) in BAD.items():
        answer = await http.patch(path, content=json.dumps(fields), headers=JSON)
        found = [(error["code"], error["pointer"]) for error in answer.json()["errors"]]
        assert (case, answer.status_code, found) == (case, 422, [(code, pointer)])
    assert (await http.get(path)).json() == campaign


async def test_what_is_no_number_is_refused(http: httpx.AsyncClient) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        for field in ("holdout", "expected_roi"):
            text = json.dumps({**BODY, field: 0.5}).replace("0.5", number)
            refused(await http.post("/v1/campaigns", content=text, headers=JSON), 422, "invalid", f"/{field}")


NO_CAMPAIGNS = (b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000)


async def test_a_body_that_is_no_campaign_is_refused(http: httpx.AsyncClient) -> None:
    for content in NO_CAMPAIGNS:
        answer = await http.post("/v1/campaigns", content=content, headers=JSON)
        assert answer.status_code in (400, 422), content[:10]


async def test_a_broken_character_in_a_path_is_not_our_failure(http: httpx.AsyncClient) -> None:
    for path in ("/v1/campaigns/a%00b", "/v1/customers/a%00b/decisions", "/v1/decisions/a%00b"):
        assert (await http.get(path)).status_code in (404, 422), path


async def test_a_foreign_cursor_is_refused(http: httpx.AsyncClient) -> None:
    campaign_id = (await made(http))["campaign_id"]
    for cursor in ("x", "W10", "WyJhIl0", "WzFlOTld", "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"):
        for path in ("", f"/{campaign_id}/decisions", f"/{campaign_id}/versions"):
            answer = await http.get(f"/v1/campaigns{path}", params={"cursor": cursor})
            assert answer.status_code == 422, (path, cursor)
    for query in ({"limit": 0}, {"limit": 201}, {"status": "x"}):
        assert (await http.get("/v1/campaigns", params=query)).status_code == 422


async def test_a_list_may_have_a_million_ids_and_no_more(http: httpx.AsyncClient, world: World) -> None:
    ids = [f"{number:x}" for number in range(1_000_001)]
    answer = await http.post("/v1/campaigns", json={**LIST, "audience": {"kind": "list", "source_ids": ids}})
    refused(answer, 422, "invalid", "/audience/source_ids")
    answer = await http.post("/v1/campaigns", json={**LIST, "audience": {"kind": "list", "source_ids": ids[:-1]}})
    assert answer.json()["audience"]["size"] == 1_000_000
    stored = await world.rows("SELECT count(*), sum(cardinality(source_ids)) FROM campaign_audience")
    assert tuple(stored[0].values()) == (200, 1_000_000)


async def test_a_body_that_is_too_large_is_refused(http: httpx.AsyncClient) -> None:
    refused(await http.post("/v1/campaigns", content=b" " * 64_000_001), 413, "body-too-large")


ROUTES = [
    ("GET", "/v1/campaigns", "campaigns:read"),
    ("GET", "/v1/campaigns/x", "campaigns:read"),
    ("GET", "/v1/campaigns/x/versions", "campaigns:read"),
    ("GET", "/v1/campaigns/x/decisions", "campaigns:read"),
    ("GET", "/v1/customers/x/decisions", "campaigns:read"),
    ("GET", "/v1/decisions/x", "campaigns:read"),
    ("POST", "/v1/campaigns", "campaigns:write"),
    ("PATCH", "/v1/campaigns/x", "campaigns:write"),
    ("DELETE", "/v1/campaigns/x", "campaigns:write"),
    ("POST", "/v1/campaigns/x/start", "campaigns:write"),
    ("POST", "/v1/campaigns/x/pause", "campaigns:write"),
    ("POST", "/v1/campaigns/x/stop", "campaigns:write"),
]


async def test_every_route_wants_its_scope_and_no_shops_key(world: World) -> None:
    app = make_app(settings_for(world.database, Settings))
    other = {"campaigns:read": "campaigns:write", "campaigns:write": "campaigns:read"}
    for method, path, scope in ROUTES:
        async with client(app, world.database, scopes=[other[scope]]) as http:
            refused(await http.request(method, path, json=BODY), 403, "scope-missing")
            answer = await http.request(method, path, json=BODY, headers={"Authorization": ""})
            refused(answer, 401, "key-missing")
        async with client(app, world.database, scopes=[scope], shop_id="north") as http:
            refused(await http.request(method, path, json=BODY), 403, "shop-bound-key")


async def test_in_a_replay_the_door_lives_at_the_services_clock(http: httpx.AsyncClient, world: World) -> None:
    """An end that is over by the wall's clock is not over in history."""
    async with world.database.transaction() as session:
        await execute(session, "UPDATE clock SET at = $1", T0)
    campaign = await made(http, ends_at="2026-01-02T00:00:00Z")
    assert campaign["created_at"] == "2026-01-01T00:00:00Z"
    assert (await act(http, campaign["campaign_id"], "start")).status_code == 200
    late = await made(http, ends_at="2026-01-02T00:00:00Z", business_line="toys")
    async with world.database.transaction() as session:
        await execute(session, "UPDATE clock SET at = $1", T0 + DAY)
    refused(await act(http, late["campaign_id"], "start"), 409, "campaign-over")
