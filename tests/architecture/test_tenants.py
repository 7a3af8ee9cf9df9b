"""No field that a caller makes up changes whose a thing is, and no shop's key opens another shop's: rows 53, 54, 74.

Read off the OpenAPI document, so that a new route or body is asked the same.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from tests.architecture.rules import SERVICES
from tests.architecture.test_doors import make_app, operations
from tests.conftest import FreshDatabase
from tests.support.doing import client

# The ingest's calls, and what a browser's SDK asks for before it sends them.
BROWSERS = (["ingest"], ["browser"])
MADE_UP = {"tenant_id": "other", "is_admin": True, "scopes": ["admin"], "key_id": "x", "__proto__": {"admin": True}}


def commands(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and the body's schema of all that take one; but the ingest leaves aside what it does not know."""
    schemas = app.openapi()["components"]["schemas"]
    for method, path, declared in operations(app):
        if "requestBody" in declared and declared["tags"] not in BROWSERS:
            schema = declared["requestBody"]["content"]["application/json"]["schema"]
            yield method, path, schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def objects(schema: Any, schemas: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Every object that a body may hold."""
    if isinstance(schema, list):
        for each in schema:
            yield from objects(each, schemas, seen)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
        if name in schemas and name not in seen:
            seen.add(name)
            yield from objects(schemas[name], schemas, seen)
        for each in schema.values():
            yield from objects(each, schemas, seen)


@pytest.mark.parametrize("service", SERVICES)
def test_no_body_of_a_command_takes_a_field_that_it_does_not_know(service: str) -> None:
    """Row 74"""
    app = make_app(service)
    schemas = app.openapi()["components"]["schemas"]
    for method, path, schema in commands(app):
        found = list(objects(schema, schemas, set()))
        assert found, f"{method} {path}"
        for each in found:
            assert each.get("additionalProperties") is False, f"{method} {path}: {each.get('title')}"
            assert not each["properties"].keys() & MADE_UP.keys(), f"{method} {path}"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_made_up_field_is_refused_by_its_name(service: str, fresh_database: FreshDatabase) -> None:
    """Row 74"""
    database = await fresh_database(service)
    app = make_app(service, database)
    async with client(app, database) as http:
        for method, path, _ in commands(app):
            answer = await http.request(method, path, json=MADE_UP)
            assert answer.status_code == 422, f"{method} {path}: {answer.text}"
            found = {each["pointer"] for each in answer.json()["errors"] if each["code"] == "extra-forbidden"}
            assert found >= {f"/{name}" for name in MADE_UP}, f"{method} {path}: {found}"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_browsers_key_passes_no_door_but_the_ingests(service: str, fresh_database: FreshDatabase) -> None:
    """Row 54"""
    database = await fresh_database(service)
    app = make_app(service, database)
    async with client(app, database, scopes=["events:write"]) as browser:
        for method, path, declared in operations(app):
            answer = await browser.request(method, path, json={})
            is_browsers = declared["tags"] in BROWSERS
            assert (declared["x-scope"] == "events:write") == is_browsers, f"{method} {path}"
            assert (answer.status_code == 403) != is_browsers, f"{method} {path}: {answer.text}"


@pytest.mark.parametrize("service", SERVICES)
async def test_a_shops_key_gets_404_of_what_is_not_there(service: str, fresh_database: FreshDatabase) -> None:
    """Row 53: as of what is another shop's (tests/coupons/test_redeeming.py), so nobody learns that it is there"""
    database = await fresh_database(service)
    app = make_app(service, database)
    async with client(app, database, shop_id="shop-7") as http:
        for method, path, declared in operations(app):
            if method == "GET" and declared["x-shop-keys"] and "/x" in path and declared["tags"] not in BROWSERS:
                answer = await http.get(path)
                assert answer.status_code in (404, 422), f"{path}: {answer.text}"
