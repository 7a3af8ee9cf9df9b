"""A change of an HTTP API that breaks the last release is found, with the pointer of what broke, and fails CI."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tools.contracts
from deploy.local.names import SERVICES
from tools.contracts import released
from tools.contracts.breaking import breaks_of_api, may_break
from tools.contracts.documents import documents
from tools.main import app

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def wanted() -> dict[str, str]:
    return documents()


@pytest.fixture(scope="module")
def coupons(wanted: dict[str, str]) -> dict[str, Any]:
    return json.loads(wanted["openapi/coupons.json"])


def model(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document["components"]["schemas"][name]


def route(path: str, method: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document["paths"][path][method]


body, change, answer = model("TemplateBody"), model("TemplateChange"), model("TemplateAnswer")
coupon, use, percent = model("CouponAnswer"), model("RedemptionBody"), model("PercentOff")
create, show, page = route("/v1/templates", "post"), route("/v1/coupons/{code}", "get"), route("/v1/templates", "get")
JSON = "application/json"
M = "/components/schemas"
CREATE = "/paths/~1v1~1templates/post"
SHOW = "/paths/~1v1~1coupons~1{code}/get"
PAGE = "/paths/~1v1~1templates/get"

# What is done to the document, and the pointers of what that breaks.
BREAKING: dict[str, tuple[Change, set[str]]] = {
    "a removed path": (lambda d: d["paths"].pop("/v1/coupons/{code}"), {"/paths/~1v1~1coupons~1{code}"}),
    "a removed operation": (lambda d: d["paths"]["/v1/templates"].pop("post"), {CREATE}),
    "another operation id": (lambda d: create(d).update(operationId="coupons-make"), {CREATE + "/operationId"}),
    "a new required field of a request": (
        lambda d: (body(d)["properties"].update(x={"type": "string"}), body(d)["required"].append("x")),
        {f"{M}/TemplateBody/required"},
    ),
    "an optional field of a request that is required now": (
        lambda d: body(d)["required"].append("quantity"),
        {f"{M}/TemplateBody/required"},
    ),
    "a removed field of a request": (
        lambda d: body(d)["properties"].pop("minimum_spend"),
        {f"{M}/TemplateBody/properties/minimum_spend"},
    ),
    "a field of a request that may not be null any more": (
        lambda d: body(d)["properties"]["quantity"]["anyOf"].pop(),
        {f"{M}/TemplateBody/properties/quantity"},
    ),
    "a narrower type of a request": (
        lambda d: use(d)["properties"]["platform"].update(type="integer"),
        {f"{M}/RedemptionBody/properties/platform"},
    ),
    "a tighter bound of a request": (
        lambda d: use(d)["properties"]["code"].update(maxLength=10),
        {f"{M}/RedemptionBody/properties/code"},
    ),
    "another pattern of a request": (
        lambda d: use(d)["properties"]["currency"].update(pattern="^(USD|EUR)$"),
        {f"{M}/RedemptionBody/properties/currency"},
    ),
    "a narrower enum of a request": (
        lambda d: page(d)["parameters"][0]["schema"].update(enum=[False]),
        {f"{PAGE}/parameters/0/schema"},
    ),
    "another default of a request": (
        lambda d: page(d)["parameters"][1]["schema"].update(default=20),
        {f"{PAGE}/parameters/1/schema"},
    ),
    "an alternative that a request may not take any more": (
        lambda d: body(d)["properties"]["discount"]["oneOf"].pop(0),
        {f"{M}/TemplateBody/properties/discount"},
    ),
    "a removed parameter": (lambda d: page(d)["parameters"].pop(0), {f"{PAGE}/parameters/0"}),
    "a new required parameter": (
        lambda d: page(d)["parameters"].append(
            {"name": "shop", "in": "query", "required": True, "schema": {"type": "string"}}
        ),
        {f"{PAGE}/parameters/3"},
    ),
    "a parameter that is required now": (
        lambda d: page(d)["parameters"][0].update(required=True),
        {f"{PAGE}/parameters/0"},
    ),
    "a removed request body": (lambda d: create(d).pop("requestBody"), {f"{CREATE}/requestBody"}),
    "another media type of a request": (
        lambda d: create(d)["requestBody"].update(content={"text/csv": {"schema": {}}}),
        {f"{CREATE}/requestBody/content/application~1json"},
    ),
    "a removed field of a response": (
        lambda d: (coupon(d)["properties"].pop("used"), coupon(d)["required"].remove("used")),
        {f"{M}/CouponAnswer/required", f"{M}/CouponAnswer/properties/used"},
    ),
    "a field of a response that is not always there any more": (
        lambda d: coupon(d)["required"].remove("used"),
        {f"{M}/CouponAnswer/required"},
    ),
    "a field of a response that may be null now": (
        lambda d: coupon(d)["properties"].update(used={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        {f"{M}/CouponAnswer/properties/used/anyOf/1"},
    ),
    "another type of a response": (
        lambda d: coupon(d)["properties"]["used"].update(type="string"),
        {f"{M}/CouponAnswer/properties/used"},
    ),
    "a wider enum of a response": (lambda d: model("Status")(d)["enum"].append("burnt"), {f"{M}/Status"}),
    "an alternative that no response had before": (
        lambda d: (
            d["components"]["schemas"].update(Gift={**copy.deepcopy(percent(d)), "title": "Gift"}),
            model("Gift")(d)["properties"]["type"].update(const="gift"),
            coupon(d)["properties"]["discount"]["oneOf"].append({"$ref": "#/components/schemas/Gift"}),
        ),
        {f"{M}/Gift"},
    ),
    "a new field where readers allow no other": (
        lambda d: percent(d)["properties"].update(note={"type": "string"}),
        {f"{M}/PercentOff/properties/note"},
    ),
    "a removed status": (lambda d: show(d)["responses"].pop("404"), {f"{SHOW}/responses/404"}),
    "a removed code of a problem": (
        lambda d: show(d)["responses"]["404"]["x-codes"].remove("coupon-not-found"),
        {f"{SHOW}/responses/404/x-codes"},
    ),
    "another media type of a response": (
        lambda d: show(d)["responses"]["200"].update(content={"text/csv": {"schema": {}}}),
        {f"{SHOW}/responses/200/content/application~1json"},
    ),
    "a removed header of a response": (
        lambda d: create(d)["responses"]["201"].pop("headers"),
        {f"{CREATE}/responses/201/headers/Idempotent-Replayed"},
    ),
    "another scope": (lambda d: show(d).update(security=[{"key": ["admin"]}]), {f"{SHOW}/security"}),
    "one scope more": (lambda d: show(d)["security"][0]["key"].append("admin"), {f"{SHOW}/security"}),
    "a route that is closed to keys of a shop": (
        lambda d: show(d).update({"x-shop-keys": False}),
        {f"{SHOW}/x-shop-keys"},
    ),
    "another credential": (
        lambda d: d["components"]["securitySchemes"]["key"].update(scheme="digest"),
        {"/components/securitySchemes/key"},
    ),
}

HARMLESS: dict[str, Change] = {
    "a new path": lambda d: d["paths"].update({"/v1/new": d["paths"]["/v1/templates"]}),
    "a new operation": lambda d: d["paths"]["/v1/templates"].update(put=create(d)),
    "a new optional field of a request": lambda d: body(d)["properties"].update(note={"type": "string"}),
    "a field of a request that may be left out now": lambda d: body(d)["required"].remove("kind"),
    "a wider bound of a request": lambda d: use(d)["properties"]["code"].update(maxLength=1000),
    "a new optional parameter": lambda d: page(d)["parameters"].append(
        {"name": "shop", "in": "query", "schema": {"type": "string"}}
    ),
    "a new field of a response": lambda d: coupon(d)["properties"].update(note={"type": "string"}),
    "a field of a response that is always there now": lambda d: model("Page_CouponAnswer_")(d)["required"].append(
        "next_cursor"
    ),
    "a narrower enum of a response": lambda d: coupon(d)["properties"].update(status={"enum": ["usable", "used_up"]}),
    "a new status and a new code": lambda d: (
        show(d)["responses"].update({"429": show(d)["responses"]["404"]}),
        show(d)["responses"]["404"]["x-codes"].append("coupon-lost"),
    ),
    "another way to show the key": lambda d: show(d)["security"].append({"basic": ["coupons:read"]}),
    "other words": lambda d: (show(d).update(summary="Look"), coupon(d).update(description="A coupon, as of now.")),
}


@pytest.mark.parametrize("kind", BREAKING)
def test_a_planted_break_is_found_where_it_is(kind: str, coupons: dict[str, Any]) -> None:
    do, pointers = BREAKING[kind]
    new = copy.deepcopy(coupons)
    do(new)
    found = breaks_of_api(coupons, new)
    assert {each.pointer for each in found} == pointers, found
    assert all(each.reason for each in found)


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_nobody_has_to_notice_breaks_nothing(kind: str, coupons: dict[str, Any]) -> None:
    new = copy.deepcopy(coupons)
    HARMLESS[kind](new)
    assert new != coupons
    assert breaks_of_api(coupons, new) == []


@pytest.mark.parametrize(
    ("old", "new", "may"),
    [
        ("0.1.0", "0.1.9", False),
        ("0.1.0", "0.2.0", True),
        ("0.2.0", "0.1.0", False),
        ("0.9.0", "1.0.0", True),
        ("1.2.0", "1.3.0", False),
        ("1.2.0", "2.0.0", True),
        ("2.0.0", "1.9.0", False),
    ],
)
def test_only_a_risen_version_may_break(old: str, new: str, may: bool) -> None:
    assert may_break(old, new) == may


def test_nothing_of_today_breaks_the_last_release(wanted: dict[str, str]) -> None:
    there = {path.stem for path in (tools.contracts.FOLDER / "released/openapi").glob("*.json")}
    assert there == set(SERVICES)
    assert released.broken(tools.contracts.FOLDER, wanted) == []


def test_the_command_fails_with_the_pointer_until_the_version_rises(
    tmp_path: Path, wanted: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools.contracts, "FOLDER", tmp_path)
    assert CliRunner().invoke(app, ["contracts", "--release"]).exit_code == 0
    assert CliRunner().invoke(app, ["contracts", "--check-breaking"]).exit_code == 0
    path = tmp_path / "released/openapi/coupons.json"
    old = json.loads(path.read_text())
    old["components"]["schemas"]["CouponAnswer"]["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(old))
    failed = CliRunner().invoke(app, ["contracts", "--check-breaking"])
    assert failed.exit_code == 1
    where = "openapi/coupons.json#/components/schemas/CouponAnswer/properties/colour: was removed"
    assert where in failed.stderr.replace("\n", "")
    released_again = CliRunner().invoke(app, ["contracts", "--release"])
    assert (released_again.exit_code, "as this version already" in released_again.stderr.replace("\n", " ")) == (
        1,
        True,
    )
    old["info"]["version"] = "0.0.9"
    path.write_text(json.dumps(old))
    assert CliRunner().invoke(app, ["contracts", "--check-breaking"]).exit_code == 0
    assert CliRunner().invoke(app, ["contracts", "--release"]).exit_code == 0
    assert json.loads(path.read_text()) == json.loads(wanted["openapi/coupons.json"])


def test_a_service_that_is_gone_is_a_break(tmp_path: Path, wanted: dict[str, str]) -> None:
    released.release(tmp_path, wanted)
    left = {name: text for name, text in wanted.items() if name != "openapi/metrics.json"}
    assert released.broken(tmp_path, left) == ["openapi/metrics.json was removed"]
