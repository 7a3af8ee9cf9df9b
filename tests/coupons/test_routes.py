"""Templates and coupons at the HTTP door."""

from typing import Any

from services.coupons.domain import Validity, ValidityType
from tests.conftest import FreshDatabase
from tests.coupons.given import DAY, T0, add_template, client, issue, refused, use
from tests.support.doing import rows

BODY: dict[str, Any] = {
    "name": "Ten percent",
    "kind": "comeback",
    "discount": {"type": "percent_off", "percent": 10, "cap": 2_000, "currency": "USD"},
    "minimum_spend": 3_000,
    "shops": ["s2", "s1", "s2"],
    "starts_at": "2026-03-01T00:00:00+02:00",
    "ends_at": None,
    "validity": {"type": "relative", "days": 14},
    "uses": None,
    "quantity": 100,
    "subsidy": {"platform_share": 70, "merchant_share": 30},
}


async def test_a_template_is_made_shown_changed_and_archived(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    async with client(database) as http:
        made = await http.post("/v1/templates", json=BODY)
        assert made.status_code == 201
        template = made.json()
        assert template == {
            **BODY,
            "template_id": template["template_id"],
            "version": 1,
            "issued": 0,
            "created_at": template["created_at"],
            "archived_at": None,
            "shops": ["s1", "s2"],
            "starts_at": "2026-02-28T22:00:00Z",
            "validity": {"type": "relative", "days": 14, "may_outlive_template": False},
        }
        path = f"/v1/templates/{template['template_id']}"
        assert (await http.get(path)).json() == template
        assert (await http.get("/v1/templates")).json()["data"] == [template]
        changed = await http.patch(path, json={"quantity": None, "kind": "birthday"})
        assert changed.json() == {**template, "version": 2, "quantity": None, "kind": "birthday"}
        assert (await http.patch(path, json={"kind": "birthday"})).json()["version"] == 2
        assert (await http.patch(path, json={})).json()["version"] == 2
        assert [(await http.delete(path)).status_code for _ in range(2)] == [204, 204]
        assert refused(await http.patch(path, json={"quantity": 1})) == (409, "template-archived")
        assert (await http.get(path)).json()["archived_at"] is not None
        assert (await http.get("/v1/templates")).json()["data"] == []
        [archived] = (await http.get("/v1/templates", params={"archived": True})).json()["data"]
        assert archived["template_id"] == template["template_id"]
    assert len(await rows(database, "SELECT 1 FROM template_versions")) == 2


async def test_a_template_needs_only_what_has_no_default(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    least = {name: BODY[name] for name in ("name", "kind", "discount", "validity")}
    async with client(database) as http:
        template = (await http.post("/v1/templates", json=least)).json()
        assert (template["uses"], template["quantity"], template["shops"], template["subsidy"]) == (1, None, None, None)
        path = f"/v1/templates/{template['template_id']}"
        for name in least:
            without = {key: value for key, value in least.items() if key != name}
            answer = await http.post("/v1/templates", json=without)
            assert (refused(answer), answer.json()["errors"][0]["pointer"]) == ((422, "invalid"), f"/{name}")
            answer = await http.patch(path, json={name: None})
            assert (refused(answer), answer.json()["errors"][0]["pointer"]) == ((422, "invalid"), f"/{name}")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "/name"),
    ({"name": "a\x00b"}, "/name"),
    ({"kind": "x" * 257}, "/kind"),
    ({"discount": {"type": "free", "currency": "USD"}}, "/discount"),
    ({"discount": {"type": "amount_off", "amount": 0, "currency": "USD"}}, "/discount/amount"),
    ({"discount": {"type": "amount_off", "amount": 5.0, "currency": "USD"}}, "/discount/amount"),
    ({"discount": {"type": "amount_off", "amount": True, "currency": "USD"}}, "/discount/amount"),
    ({"discount": {"type": "amount_off", "currency": "USD"}}, "/discount/amount"),
    ({"discount": {"type": "amount_off", "amount": 5, "currency": "usd"}}, "/discount/currency"),
    ({"discount": {"type": "amount_off", "amount": 5, "percent": 5, "currency": "USD"}}, "/discount/percent"),
    ({"discount": {"type": "percent_off", "percent": 101, "currency": "USD"}}, "/discount/percent"),
    ({"discount": {"type": "percent_off", "percent": 12.5, "currency": "USD"}}, "/discount/percent"),
    ({"discount": {"type": "as_reported", "currency": "USD"}}, "/subsidy"),
    ({"minimum_spend": -1}, "/minimum_spend"),
    ({"minimum_spend": 2**53}, "/minimum_spend"),
    ({"shops": []}, "/shops"),
    ({"shops": ["s1", 2]}, "/shops/1"),
    ({"starts_at": "2026-03-01"}, "/starts_at"),
    ({"starts_at": "2026-03-01T00:00:00"}, "/starts_at"),
    ({"starts_at": 1772323200}, "/starts_at"),
    ({"starts_at": "9999-12-31T23:59:59-10:00"}, "/starts_at"),
    ({"ends_at": "2026-02-28T22:00:00Z"}, "/ends_at"),
    ({"validity": {"type": "relative", "days": 0}}, "/validity/days"),
    ({"validity": {"type": "relative", "days": 10**9}}, "/validity/days"),
    ({"validity": {"type": "static", "starts_at": "2026-03-01T00:00:00Z"}}, "/validity/ends_at"),
    (
        {
            "validity": {
                "type": "static",
                "starts_at": "2026-03-02T00:00:00Z",
                "ends_at": "2026-03-02T01:00:00+01:00",
            }
        },
        "/validity/ends_at",
    ),
    ({"uses": 0}, "/uses"),
    ({"quantity": -1}, "/quantity"),
    ({"subsidy": {"platform_share": 70, "merchant_share": 31}}, "/subsidy"),
    ({"subsidy": {"platform_share": -1, "merchant_share": 101}}, "/subsidy/platform_share"),
    ({"template_id": "tpl_mine"}, "/template_id"),
]


async def test_a_bad_template_is_refused_with_a_pointer(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    async with client(database) as http:
        path = f"/v1/templates/{(await http.post('/v1/templates', json=BODY)).json()['template_id']}"
        for patch, pointer in BAD:
            for answer in (
                await http.post("/v1/templates", json={**BODY, **patch}),
                await http.patch(path, json=patch),
            ):
                assert refused(answer)[0] == 422, patch
                assert pointer in [each["pointer"] for each in answer.json()["errors"]], answer.text
        assert (await http.get(path)).json()["version"] == 1


async def test_coupons_are_listed_by_customer_and_status_in_pages(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    future = Validity(ValidityType.STATIC, starts_at=T0 + DAY, ends_at=T0 + 9 * DAY)
    template_id = await add_template(database)
    codes = [await issue(database, template_id, number) for number in range(4)]
    later = await issue(database, await add_template(database, validity=future), "later")
    await issue(database, template_id, "other", customer_id="cus_bob")
    async with client(database) as http:
        await http.post("/v1/redemptions", json=use(codes[0]))
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await http.get("/v1/customers/cus_anna/coupons", params={"limit": 2, **cursor})).json()
            found += page["data"]
            if not page["has_more"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert {each["code"]: each["status"] for each in found} == {
            codes[0]: "used_up",
            **dict.fromkeys(codes[1:], "usable"),
            later: "not_active_yet",
        }
        assert len(found) == 5
        for status, count in {"usable": 3, "used_up": 1, "not_active_yet": 1, "expired": 0}.items():
            page = (await http.get("/v1/customers/cus_anna/coupons", params={"status": status})).json()
            assert [each["status"] for each in page["data"]] == [status] * count
        assert (await http.get("/v1/customers/nobody/coupons")).json()["data"] == []
        [one] = [each for each in found if each["code"] == codes[1]]
        assert (await http.get(f"/v1/coupons/{codes[1]}")).json() == one
        assert (one["template_version"], one["discount"]["amount"], one["decision_id"]) == (1, 500, "dec_1")


async def test_lists_are_paged_by_cursors_that_they_gave(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    async with client(database) as http:
        for number in range(3):
            await http.post("/v1/redemptions", json=use(code, order_id=f"o{number}"))
            await http.post("/v1/templates", json=BODY)
        for path, total in (("/v1/templates", 4), (f"/v1/coupons/{code}/redemptions", 3)):
            seen: list[str] = []
            cursor: dict[str, str] = {}
            while True:
                page = (await http.get(path, params={"limit": 1, **cursor})).json()
                seen += [str(each) for each in page["data"]]
                if not page["has_more"]:
                    break
                cursor = {"cursor": page["next_cursor"]}
            assert len(set(seen)) == len(seen) == total
            for bad in ("x", "W10", "WyJ4IiwieSJd", "WzEsMl0", "WyIyMDI2LTAxLTAxIiwieSJd"):
                assert refused(await http.get(path, params={"cursor": bad})) == (422, "cursor-invalid")
            for limit in ("0", "201", "x"):
                assert refused(await http.get(path, params={"limit": limit}))[0] == 422


UNKNOWN = [
    ("GET", "/v1/templates/tpl_unknown", "template-not-found"),
    ("PATCH", "/v1/templates/tpl_unknown", "template-not-found"),
    ("DELETE", "/v1/templates/tpl_unknown", "template-not-found"),
    ("GET", "/v1/coupons/UNKNOWN", "coupon-not-found"),
    ("GET", "/v1/coupons/UNKNOWN/redemptions", "coupon-not-found"),
    ("GET", "/v1/redemptions/rdm_unknown", "redemption-not-found"),
    ("POST", "/v1/redemptions/rdm_unknown/rollback", "redemption-not-found"),
]


async def test_what_does_not_exist_is_not_found(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    async with client(database) as http:
        for method, path, code in UNKNOWN:
            body = {} if method == "PATCH" else None
            assert refused(await http.request(method, path, json=body)) == (404, code)
            broken = path.replace("unknown", "%00").replace("UNKNOWN", "%00")
            assert refused(await http.request(method, broken, json=body))[0] in (404, 422)


async def test_each_route_wants_its_scope(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    routes = {
        "coupons:write": [("POST", "/v1/templates"), ("PATCH", "/v1/templates/x"), ("DELETE", "/v1/templates/x")],
        "coupons:read": [
            ("GET", "/v1/templates"),
            ("GET", "/v1/templates/x"),
            ("GET", "/v1/coupons/x"),
            ("GET", "/v1/coupons/x/redemptions"),
            ("GET", "/v1/customers/x/coupons"),
            ("GET", "/v1/redemptions/x"),
        ],
        "coupons:redeem": [
            ("POST", "/v1/validations"),
            ("POST", "/v1/redemptions"),
            ("POST", "/v1/redemptions/x/rollback"),
        ],
    }
    for scope in routes:
        async with client(database, scopes=[scope]) as http:
            for wanted, paths in routes.items():
                for method, path in paths:
                    answer = await http.request(method, path)
                    lacks = answer.status_code == 403 and answer.json()["code"] == "scope-missing"
                    assert lacks == (wanted != scope), (scope, method, path)
            assert refused(await http.get("/v1/coupons/x", headers={"Authorization": ""})) == (401, "key-missing")


async def test_an_idempotency_key_makes_one_template(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    async with client(database) as http:
        made = [await http.post("/v1/templates", json=BODY, headers={"Idempotency-Key": "k"}) for _ in range(2)]
        assert made[0].text == made[1].text
    assert len(await rows(database, "SELECT 1 FROM templates")) == 1
