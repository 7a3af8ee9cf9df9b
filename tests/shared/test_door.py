"""The HTTP door: who may pass, one transaction a request, and the same key the same answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from pydantic import Field

from shared.database import Database, execute
from shared.errors import Conflict
from shared.forgetting import forget_answers
from shared.http.app import create_app
from shared.http.door import CallerOf, SessionOf, access
from shared.http.door import router as make_router
from shared.http.fields import Instant, Minor, Model, Text
from tests.conftest import FreshDatabase
from tests.support.doing import client, rows, settings_for

router = make_router("test")
release = asyncio.Event()


class Body(Model):
    visit_id: Text
    amount: Minor = 0
    at: Instant | None = None
    share: float = Field(0.5, ge=0, le=1)


async def _visit(session: SessionOf, visit_id: str) -> None:
    await execute(session, "INSERT INTO visits VALUES ($1, 'c', 's', now())", visit_id)


@router.post("/visits", status_code=201, **access("profiles:write"))
async def add_visit(session: SessionOf, body: Body) -> dict[str, str]:
    await _visit(session, body.visit_id)
    return {"visit_id": body.visit_id}


@router.post("/refused", **access("profiles:write"))
async def refuse(session: SessionOf, body: Body) -> dict[str, str]:
    await _visit(session, body.visit_id)
    raise Conflict("no", code="always-refused", pointer="/visit_id")


@router.post("/slow", **access("profiles:write"))
async def wait(session: SessionOf, body: Body) -> dict[str, str]:
    await _visit(session, body.visit_id)
    await release.wait()
    return {}


@router.post("/broken", **access("profiles:write"))
async def fail(session: SessionOf, body: Body) -> dict[str, str]:
    await _visit(session, body.visit_id)
    raise RuntimeError("a bug")


@router.get("/mine", **access("profiles:read", shop_keys=True))
async def mine(caller: CallerOf) -> dict[str, str | None]:
    return {"shop_id": caller.shop_id}


@dataclass
class Process:
    database: Database
    app: FastAPI
    http: httpx.AsyncClient

    async def visits(self) -> list[str]:
        return [row["visit_id"] for row in await rows(self.database, "SELECT visit_id FROM visits ORDER BY 1")]


@pytest.fixture
async def process(fresh_database: FreshDatabase) -> AsyncIterator[Process]:
    database = await fresh_database("profile")
    app = create_app("profile", settings_for(database), [router])
    async with client(app, database, documented=False) as http:
        yield Process(database, app, http)


async def test_what_a_request_did_is_there_when_the_answer_is(process: Process) -> None:
    answer = await process.http.post("/v1/visits", json={"visit_id": "v1"})
    assert answer.status_code == 201
    assert await process.visits() == ["v1"]


async def test_a_refused_request_leaves_nothing(process: Process) -> None:
    answer = await process.http.post("/v1/refused", json={"visit_id": "v1"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["code"], body["errors"][0]["pointer"]) == ("always-refused", "/visit_id")
    assert body["request_id"] == answer.headers["x-request-id"]
    assert await process.visits() == []


async def test_a_bug_is_a_500_that_tells_nothing_and_leaves_nothing(process: Process) -> None:
    answer = await process.http.post("/v1/broken", json={"visit_id": "v1"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "bug" not in answer.text
    assert await process.visits() == []


async def test_the_same_key_gets_the_same_answer_and_one_effect(process: Process) -> None:
    """P4"""
    headers = {"Idempotency-Key": "k1"}
    first = await process.http.post("/v1/visits", json={"visit_id": "v1"}, headers=headers)
    again = await process.http.post("/v1/visits", json={"visit_id": "v1"}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await process.visits() == ["v1"]


async def test_a_refusal_is_an_answer_that_is_repeated_too(process: Process) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await process.http.post("/v1/refused", json={"visit_id": "v1"}, headers=headers)
    again = await process.http.post("/v1/refused", json={"visit_id": "v1"}, headers=headers)
    assert first.status_code == again.status_code == 409
    assert again.headers["idempotent-replayed"] == "true"
    assert first.json()["request_id"] == again.json()["request_id"]
    assert await process.visits() == []


async def test_a_key_that_comes_with_another_body_is_refused(process: Process) -> None:
    headers = {"Idempotency-Key": "k1"}
    await process.http.post("/v1/visits", json={"visit_id": "v1"}, headers=headers)
    answer = await process.http.post("/v1/visits", json={"visit_id": "v2"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_key_whose_first_request_still_runs_is_told_so(process: Process) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = asyncio.create_task(process.http.post("/v1/slow", json={"visit_id": "v1"}, headers=headers))
    await asyncio.sleep(0.2)
    second = await process.http.post("/v1/slow", json={"visit_id": "v1"}, headers=headers)
    assert (second.status_code, second.json()["code"]) == (409, "request-in-progress")
    release.set()
    assert (await first).status_code == 200
    release.clear()


async def test_two_callers_may_use_the_same_key(process: Process) -> None:
    headers = {"Idempotency-Key": "k1"}
    await process.http.post("/v1/visits", json={"visit_id": "v1"}, headers=headers)
    app = create_app("profile", settings_for(process.database), [router])
    async with client(app, process.database) as other:
        answer = await other.post("/v1/visits", json={"visit_id": "v2"}, headers=headers)
    assert answer.status_code == 201
    assert await process.visits() == ["v1", "v2"]


async def test_without_a_key_of_ours_nobody_passes(process: Process) -> None:
    for authorization in ("", "Bearer", "Bearer cbk_live_x_y", "Basic !!!", "Bearer \u00e9"):
        headers = httpx.Headers([("Authorization", authorization)], encoding="latin-1")
        answer = await process.http.get("/v1/mine", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_key_without_the_scope_is_refused(process: Process) -> None:
    app = create_app("profile", settings_for(process.database), [router])
    async with client(app, process.database, scopes=["profiles:read"]) as reader:
        assert (await reader.get("/v1/mine")).status_code == 200
        answer = await reader.post("/v1/visits", json={"visit_id": "v1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


async def test_a_key_of_one_shop_passes_only_where_a_route_says_so(process: Process) -> None:
    """I14, TG14"""
    app = create_app("profile", settings_for(process.database), [router])
    async with client(app, process.database, shop_id="north") as shop:
        assert (await shop.get("/v1/mine")).json() == {"shop_id": "north"}
        answer = await shop.post("/v1/visits", json={"visit_id": "v1"})
        assert (answer.status_code, answer.json()["code"]) == (403, "shop-bound-key")


BAD = {
    "no json": b"{",
    "not an object": b"[]",
    "nothing": b"",
    "missing": b"{}",
    "unknown field": b'{"visit_id": "v", "no": 1}',
    "NUL": b'{"visit_id": "a\\u0000"}',
    "half a character": b'{"visit_id": "\\ud800"}',
    "money as truth": b'{"visit_id": "v", "amount": true}',
    "money as float": b'{"visit_id": "v", "amount": 1.0}',
    "money as text": b'{"visit_id": "v", "amount": "1"}',
    "negative money": b'{"visit_id": "v", "amount": -1}',
    "too much money": b'{"visit_id": "v", "amount": 9007199254740992}',
    "a number of 5,000 digits": b'{"visit_id": "v", "amount": ' + b"9" * 5_000 + b"}",
    "NaN": b'{"visit_id": "v", "share": NaN}',
    "infinity": b'{"visit_id": "v", "share": 1e999}',
    "depth": b'{"visit_id": ' + b"[" * 100_000,
    "an instant without offset": b'{"visit_id": "v", "at": "2026-01-01T00:00:00"}',
    "an instant as number": b'{"visit_id": "v", "at": 1700000000}',
    "too long": b'{"visit_id": "' + b"v" * 300 + b'"}',
    "broken UTF-8": b'{"visit_id": "\xff"}',
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("key", [None, "k1"])
async def test_bad_input_is_the_callers_fault_and_says_where(process: Process, name: str, key: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    answer = await process.http.post("/v1/visits", content=BAD[name], headers=headers)
    assert answer.status_code in (400, 422), answer.text
    problem = answer.json()
    assert problem["code"]
    assert json.dumps(problem).isprintable()
    assert await process.visits() == []


async def test_a_body_over_the_limit_is_refused(process: Process) -> None:
    for headers in ({}, {"Idempotency-Key": "k1"}):
        body = json.dumps({"visit_id": "v" * 1_100_000})
        answer = await process.http.post(
            "/v1/visits", content=body, headers={"content-type": "application/json", **headers}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


async def test_unknown_paths_and_methods_are_problems_too(process: Process) -> None:
    assert (await process.http.get("/v1/nothing")).json()["code"] == "route-not-found"
    not_allowed = await process.http.delete("/v1/visits")
    assert (not_allowed.status_code, not_allowed.json()["code"]) == (405, "method-not-allowed")
    assert not_allowed.headers["allow"] == "POST"
    assert (await process.http.post("/v1/visits/", json={"visit_id": "v1"})).status_code == 404


async def test_ready_says_what_is_missing(process: Process) -> None:
    assert (await process.http.get("/health/live")).status_code == 200
    answer = await process.http.get("/health/ready")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["broker"])


async def test_stored_answers_are_forgotten_after_a_week_and_no_sooner(process: Process) -> None:
    for number in (6, 8):
        await process.http.post("/v1/refused", json={"visit_id": "v"}, headers={"Idempotency-Key": f"of day {number}"})
        async with process.database.transaction() as session:
            await execute(
                session,
                "UPDATE idempotency_keys SET created_at = now() - $2::interval WHERE idempotency_key = $1",
                f"of day {number}",
                timedelta(days=number),
            )
    assert await forget_answers(process.database) == 1
    assert await rows(process.database, "SELECT idempotency_key FROM idempotency_keys") == [
        {"idempotency_key": "of day 6"}
    ]
