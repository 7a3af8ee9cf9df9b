"""Every route of every running service, asked without a key, with a wrong one, and with that of another shop."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.names import SERVICES
from shared.http import keys
from tests.http import requests_file
from tests.http.conftest import System
from tests.http.requests_file import Run
from tests.support.documented import Documented
from tools.contracts.openapi import openapi

SHOPS = requests_file.read(Path(__file__).with_name("shops.http"))
DOCUMENTS = {service: openapi(service) for service in SERVICES}


def operations(service: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, a path that can be asked for, and what is declared."""
    for path, methods in DOCUMENTS[service]["paths"].items():
        for method, declared in methods.items():
            yield method.upper(), re.sub(r"\{\w+\}", "x", path), declared


def answers(system: System, service: str, key: str | None) -> Iterator[tuple[str, dict[str, Any], httpx.Response]]:
    """Of every route to whoever has that key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    document = Documented(DOCUMENTS[service])
    with httpx.Client(base_url=system.url(service), headers=headers, timeout=30) as http:
        for method, path, declared in operations(service):
            answer = http.request(method, path, json=None if method == "GET" else {})
            assert document.problem_with(method, path, answer) is None
            yield f"{method} {path}", declared, answer


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(("key", "code"), [(None, "key-missing"), ("cbk_live_nobody_x", "key-unknown")])
def test_no_route_answers_without_a_key(service: str, key: str | None, code: str, system: System) -> None:
    asked = 0
    for route, _, answer in answers(system, service, key):
        assert (answer.status_code, answer.json()["code"]) == (401, code), route
        assert answer.headers["www-authenticate"] == "Bearer", route
        asked += 1
    assert asked > 5


@pytest.mark.parametrize("service", SERVICES)
def test_a_route_opens_to_its_own_scope_alone(service: str, system: System) -> None:
    for scope in keys.SCOPES:
        for route, declared, answer in answers(system, service, system.add_key(service, [scope])):
            refused = answer.status_code == 403 and answer.json()["code"] == "scope-missing"
            assert refused == (scope != declared["x-scope"]), f"{route} with {scope}: {answer.text}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_route_that_is_not_for_shops_refuses_their_keys(service: str, system: System) -> None:
    key = system.add_key(service, keys.SCOPES, "shop-b")
    for route, declared, answer in answers(system, service, key):
        if not declared["x-shop-keys"]:
            assert (answer.status_code, answer.json()["code"]) == (403, "shop-bound-key"), route


def test_a_shops_key_gets_its_own_and_nothing_of_another_shop(system: System) -> None:
    Run(SHOPS, {**system.environment, **shop_keys(system)}, lambda _: None).all()


def shop_keys(system: System) -> dict[str, str]:
    """The same key in every service."""
    made = {"COMEBACK_SHOP_KEY": "shop-a", "COMEBACK_OTHER_KEY": "shop-b"}
    return {name: system.add_everywhere(keys.SCOPES, shop_id) for name, shop_id in made.items()}


def test_every_route_for_shops_is_asked_with_the_key_of_another() -> None:
    asked: set[str] = set()
    for entry in SHOPS.entries:
        if "{{other}}" in entry.text:
            method, url = entry.text.splitlines()[0].split(" ", 1)
            service, _, path = url.removeprefix("{{").partition("}}")
            operation = Documented(DOCUMENTS[service]).operation(
                method, urlsplit(requests_file.USE.sub("x", path)).path
            )
            assert operation is not None, url
            asked.add(operation["operationId"])
    open_to_shops = {
        declared["operationId"]
        for service in SERVICES
        for _, _, declared in operations(service)
        if declared["x-shop-keys"]
    }
    assert open_to_shops - asked == set()
