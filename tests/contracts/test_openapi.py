"""Each service's OpenAPI document is complete: whoever reads nothing else can call it, and knows what may come back."""

import copy
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.names import SERVICES
from deploy.local.state import ROOT
from shared.http import keys
from shared.http.problems import MEDIA_TYPE
from shared.version import VERSION
from tests.support.documented import validator
from tools.contracts.openapi import openapi

DOCUMENTS = {service: openapi(service) for service in SERVICES}
ALWAYS = {"401", "403", "503"}


def gaps(service: str, document: dict[str, Any]) -> list[str]:
    """What the document leaves out."""
    operations = [(method, path, each) for path, of in document["paths"].items() for method, each in of.items()]
    found = [f"{service}: {each}" for each in _of_whole(document, [each for _, _, each in operations])]
    for method, path, operation in operations:
        found += [f"{method.upper()} {path}: {each}" for each in _of_operation(service, method, path, operation)]
        found += [f"{method.upper()} {path}: {each}" for each in _of_bodies(document, operation)]
    return found


def _of_whole(document: dict[str, Any], operations: list[dict[str, Any]]) -> Iterator[str]:
    ids = [operation.get("operationId") for operation in operations]
    if len(set(ids)) < len(ids):
        yield "an operation id stands twice"
    if not document["openapi"].startswith("3.1") or document["info"]["version"] != VERSION:
        yield "another OpenAPI, or another version than the project's"
    if {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"]):
        yield "the framework's own errors are in it"


def _of_operation(service: str, method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    if not operation.get("operationId", "").startswith(f"{service}-"):
        yield "no stable operation id"
    summary = operation.get("summary", "")
    if not summary or summary != summary[0].upper() + summary[1:]:
        yield "no summary"
    scope = operation.get("x-scope")
    if scope not in keys.SCOPES or {"key": [scope]} not in operation.get("security", []):
        yield "its scope is not shown"
    keyed = [each for each in operation.get("parameters", []) if each["name"] == "Idempotency-Key"]
    # What is ingested is made once by its messageId.
    if bool(keyed) != (method != "get" and operation["tags"] != ["ingest"]):
        yield "Idempotency-Key is not as it should be"
    if any(not each.get("description") for each in keyed):
        yield "Idempotency-Key is not described"
    yield from _of_refusals(path, operation)


def _of_refusals(path: str, operation: dict[str, Any]) -> Iterator[str]:
    refused = {status: each for status, each in operation["responses"].items() if status >= "400"}
    wanted = ALWAYS | ({"404"} if "{" in path else set()) | ({"413", "422"} if "requestBody" in operation else set())
    if wanted - set(refused) or "500" in refused:
        yield f"the refusals {sorted(wanted - set(refused))} are missing, or a 500 is declared"
    for status, each in refused.items():
        if list(each.get("content", {})) != [MEDIA_TYPE]:
            yield f"{status} is no problem+json"
        elif not each["x-codes"] or set(each["x-codes"]) != set(each["content"][MEDIA_TYPE].get("examples", {})):
            yield f"{status} has codes without examples"


def _of_bodies(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    bodies = [("the request", operation.get("requestBody", {})), *operation["responses"].items()]
    for name, body in bodies:
        for media_type, media in body.get("content", {}).items():
            examples = [each["value"] for each in media.get("examples", {}).values()]
            examples += [media["example"]] if "example" in media else []
            if not examples:
                yield f"{name} has no example as {media_type}"
            checked = validator(document, media["schema"])
            for example in examples:
                yield from (f"the example of {name}: {each.message}" for each in checked.iter_errors(example))


@pytest.mark.parametrize("service", SERVICES)
def test_the_document_leaves_nothing_out(service: str) -> None:
    assert gaps(service, DOCUMENTS[service]) == []


def test_operation_ids_are_unique_over_all_services() -> None:
    ids = [
        operation["operationId"]
        for document in DOCUMENTS.values()
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(set(ids)) == len(ids) > 50


@pytest.mark.parametrize("service", SERVICES)
def test_every_code_that_a_service_can_refuse_with_is_documented(service: str) -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "services" / service).rglob("*.py"))
    raised = set(re.findall(r'\bcode ?= ?"([a-z-]+)"', text))
    documented = {
        code
        for operations in DOCUMENTS[service]["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
        for code in response.get("x-codes", [])
    }
    assert raised - documented == set()


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


POST = ("paths", "/v1/templates", "post")
PLANTED: dict[str, tuple[tuple[str, ...], Any]] = {
    "no stable operation id": ((*POST, "operationId"), "create"),
    "no summary": ((*POST, "summary"), ""),
    "its scope is not shown": ((*POST, "security"), []),
    "Idempotency-Key is not as it should be": ((*POST, "parameters"), []),
    "Idempotency-Key is not described": ((*POST, "parameters"), [{"name": "Idempotency-Key"}]),
    "the refusals": ((*POST, "responses", "401"), None),
    "409 is no problem+json": ((*POST, "responses", "409", "content"), {"application/json": {"schema": {}}}),
    "422 has codes without examples": ((*POST, "responses", "422", "x-codes"), ["another"]),
    "the request has no example": ((*POST, "requestBody", "content", "application/json", "example"), None),
    "the example of 201": ((*POST, "responses", "201", "content", "application/json", "example"), {"version": "1"}),
    "an operation id stands twice": ((*POST, "operationId"), "coupons-list-templates"),
    "the framework's own errors": (("components", "schemas", "ValidationError"), {}),
}


@pytest.mark.parametrize("gap", PLANTED)
def test_a_planted_gap_is_found(gap: str) -> None:
    document = copy.deepcopy(DOCUMENTS["coupons"])
    (*way, last), value = PLANTED[gap]
    place = document
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert any(gap in found for found in gaps("coupons", document))
