"""Nobody passes an HTTP door without a key, its scope, and, when the key is bound to a shop, the route's consent."""

import importlib
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shared.http import door, keys
from shared.http.routes import routes_of
from tests.architecture.rules import SERVICES
from tests.conftest import FreshDatabase
from tests.support.doing import client, settings_for

PAGES = {f"/docs/assets/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")}
OPEN = {"/openapi.json", "/docs", "/health/live", "/health/ready", "/metrics"}
_NOWHERE = SimpleNamespace(url="postgresql://nobody:nothing@127.0.0.1:1/nowhere")


def make_app(service: str, database: Any = _NOWHERE) -> FastAPI:
    settings = importlib.import_module(f"services.{service}.settings").Settings
    return importlib.import_module(f"services.{service}.app").make_app(settings_for(database, settings))


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, a path that could be asked for, and what the route declares."""
    for path, methods in app.openapi()["paths"].items():
        for method, declared in methods.items():
            yield method.upper(), re.sub(r"\{\w+\}", "x", path), declared


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_declares_its_scope(service: str) -> None:
    found = list(operations(make_app(service)))
    assert found
    for method, path, declared in found:
        assert declared.get("x-scope") in keys.SCOPES, f"{method} {path}"
        assert isinstance(declared.get("x-shop-keys"), bool), f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
def test_no_route_hides_from_the_document(service: str) -> None:
    app = make_app(service)
    found = {route.path for route in routes_of(app)}
    assert found - set(app.openapi()["paths"]) <= OPEN
    assert set(app.openapi()["paths"]) <= found


def test_a_planted_hidden_route_is_seen() -> None:
    app = make_app("coupons")
    router = door.router("planted")

    async def planted() -> None: ...

    router.get("/planted", include_in_schema=False, **door.access("admin"))(planted)
    app.state.routers.append(router)
    app.include_router(router)
    found = {route.path for route in routes_of(app)}
    assert found - set(app.openapi()["paths"]) - OPEN == {"/v1/planted"}


def test_a_planted_route_without_scope_is_stopped() -> None:
    router = door.router("planted")

    async def planted() -> None: ...

    with pytest.raises(AssertionError, match="declares no scope"):
        router.get("/planted")(planted)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_route_opens_without_a_key(service: str) -> None:
    app = make_app(service)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        for method, path, _ in operations(app):
            answer = await http.request(method, path, json={})
            assert (answer.status_code, answer.json()["code"]) == (401, "key-missing"), f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
async def test_no_route_opens_without_its_scope(service: str, fresh_database: FreshDatabase) -> None:
    database = await fresh_database(service)
    app = make_app(service, database)
    wanted = {(method, path): declared["x-scope"] for method, path, declared in operations(app)}
    for scope in set(wanted.values()):
        async with client(app, database, scopes=[each for each in keys.SCOPES if each != scope]) as http:
            for (method, path), needed in wanted.items():
                answer = await http.request(method, path, json={})
                refused = answer.status_code == 403 and answer.json()["code"] == "scope-missing"
                assert refused == (needed == scope), f"{method} {path} without {scope}: {answer.text}"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_route_that_does_not_allow_shop_keys_refuses_them(service: str, fresh_database: FreshDatabase) -> None:
    database = await fresh_database(service)
    app = make_app(service, database)
    async with client(app, database, shop_id="shop-7") as http:
        for method, path, declared in operations(app):
            if not declared["x-shop-keys"]:
                answer = await http.request(method, path, json={})
                assert (answer.status_code, answer.json()["code"]) == (403, "shop-bound-key"), f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
async def test_the_page_of_the_api_needs_nobody_elses_server(service: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=make_app(service)), base_url="http://test") as http:
        page = (await http.get("/docs")).text
        wanted = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert {httpx.URL(address).path for address in wanted} == PAGES
        for address in wanted:
            assert address.startswith(("/", "http://test/")), address
            assert (await http.get(address)).status_code == 200, address
