"""Coupons used and given back over HTTP: CP1, CP2, CP5, CP10, CP13, CP14; P3, P4, I4."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.coupons.domain import Discount, DiscountType, Validity, ValidityType
from shared.database import Database, execute
from shared.events.coupons import CouponRedeemed, RedemptionRolledBack
from tests.conftest import FreshDatabase
from tests.coupons.given import AS_REPORTED, DAY, T0, WAITING, add_template, client, issue, refused, use
from tests.support.doing import IDS, rows, told

MOMENT = timedelta(microseconds=1)


async def move_clock(database: Database, at: datetime) -> None:
    async with database.transaction() as session:
        await execute(session, "UPDATE clock SET at = $1", at)


async def test_a_redemption_gives_the_discount_and_tells_it(fresh_database: FreshDatabase) -> None:
    """CP1, CP13, CP14."""
    database = await fresh_database("coupons")
    discount = Discount(DiscountType.PERCENT_OFF, "USD", percent=15)
    code = await issue(database, await add_template(database, discount=discount, platform_share=70))
    async with client(database) as http:
        answer = await http.post("/v1/redemptions", json=use(code, amount=9_999, reference="r"))
        assert answer.status_code == 201
        body = answer.json()
        assert body["discount"] == {"amount": 1_499, "platform": 1_049, "merchant": 450}
        assert (await http.get(f"/v1/redemptions/{body['redemption_id']}")).json() == body
        assert (await http.get(f"/v1/coupons/{code}/redemptions")).json()["data"] == [body]
    [event] = await told(database)
    assert isinstance(event, CouponRedeemed)
    data = event.data
    assert (data.platform, data.merchant, data.channel, data.reference) == (1_049, 450, "push", "r")
    assert (data.redemption_id, event.subject, data.redeemed_at) == (body["redemption_id"], "cus_anna", T0)


async def test_a_coupon_can_be_redeemed_only_once_by_twenty_at_once(fresh_database: FreshDatabase) -> None:
    """P3, I4: the others are told so, as a rule broken before they asked or a race lost while they waited."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    async with client(database) as http:
        found = await asyncio.gather(
            *(http.post("/v1/redemptions", json=use(code, order_id=f"o{number}")) for number in range(20))
        )
    assert Counter(each.status_code == 201 for each in found) == {True: 1, False: 19}
    lost = {refused(each) for each in found if each.status_code != 201}
    assert lost <= {(409, "coupon-already-redeemed"), (422, "coupon-already-redeemed")}
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]
    assert len(await rows(database, "SELECT 1 FROM redemptions")) == 1
    assert len(await told(database)) == 1


async def test_who_waits_for_the_coupon_and_finds_it_gone_has_lost_a_race(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    async with client(database) as http:
        async with database.transaction() as session:
            await execute(session, "UPDATE coupons SET used = 1")
            waiting = asyncio.create_task(http.post("/v1/redemptions", json=use(code)))
            while not await rows(database, WAITING):
                await asyncio.sleep(0.01)
        assert refused(await waiting) == (409, "coupon-already-redeemed")
        assert refused(await http.post("/v1/redemptions", json=use(code))) == (422, "coupon-already-redeemed")


async def test_twenty_at_once_on_one_order_are_one_redemption(fresh_database: FreshDatabase) -> None:
    """P4: the natural key protects those who send no Idempotency-Key."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    async with client(database) as http:
        found = await asyncio.gather(*(http.post("/v1/redemptions", json=use(code)) for _ in range(20)))
    assert Counter(each.status_code for each in found) == {201: 1, 200: 19}
    assert len({each.text for each in found}) == 1
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]


async def test_the_same_natural_key_with_another_amount_is_a_conflict(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    reported = await issue(database, await add_template(database, uses=None, discount=AS_REPORTED), 2)
    given = {"platform": 70, "merchant": 30}
    async with client(database) as http:
        assert (await http.post("/v1/redemptions", json=use(code))).status_code == 201
        for other in ({"amount": 9_999}, {"currency": "EUR"}):
            answer = await http.post("/v1/redemptions", json=use(code, **other))
            assert refused(answer) == (409, "coupon-already-redeemed")
        assert (await http.post("/v1/redemptions", json=use(reported, discount=given))).status_code == 201
        assert (await http.post("/v1/redemptions", json=use(reported, discount=given))).status_code == 200
        answer = await http.post("/v1/redemptions", json=use(reported, discount={**given, "merchant": 31}))
        assert refused(answer) == (409, "coupon-already-redeemed")


@pytest.mark.parametrize(("uses", "code_of_refusal"), [(1, "coupon-already-redeemed"), (3, "quantity-exceeded")])
async def test_a_coupon_is_used_as_often_as_it_may_be_and_a_rollback_frees_a_use(
    fresh_database: FreshDatabase, uses: int, code_of_refusal: str
) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=uses))
    async with client(database) as http:
        made = [await http.post("/v1/redemptions", json=use(code, order_id=f"o{number}")) for number in range(uses)]
        assert [each.status_code for each in made] == [201] * uses
        one_more = use(code, order_id="one more")
        assert refused(await http.post("/v1/redemptions", json=one_more)) == (422, code_of_refusal)
        assert (await http.get(f"/v1/coupons/{code}")).json()["status"] == "used_up"
        undone = await http.post(f"/v1/redemptions/{made[0].json()['redemption_id']}/rollback")
        assert (undone.status_code, undone.json()["rolled_back_at"]) == (200, "2026-03-01T00:00:00Z")
        assert (await http.post("/v1/redemptions", json=one_more)).status_code == 201
    assert await rows(database, "SELECT used FROM coupons") == [{"used": uses}]


async def test_unlimited_uses_and_several_on_one_order_by_reference(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None, discount=AS_REPORTED))
    async with client(database) as http:
        for number in range(12):
            body = use(code, reference=str(number), amount=0, discount={"platform": 900, "merchant": 0})
            assert (await http.post("/v1/redemptions", json=body)).status_code == 201
        body = use(code, discount={"platform": 0, "merchant": 0})
        assert (await http.post("/v1/redemptions", json=body)).status_code == 201
        assert (await http.get(f"/v1/coupons/{code}")).json()["used"] == 13


async def test_a_redemption_is_rolled_back_once_and_told_once(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    async with client(database) as http:
        redemption_id = (await http.post("/v1/redemptions", json=use(code))).json()["redemption_id"]
        found = await asyncio.gather(*(http.post(f"/v1/redemptions/{redemption_id}/rollback") for _ in range(5)))
        assert sorted(each.status_code for each in found) == [200, 409, 409, 409, 409]
        assert refused(await http.post(f"/v1/redemptions/{redemption_id}/rollback")) == (409, "already-rolled-back")
        assert refused(await http.post("/v1/redemptions/rdm_unknown/rollback")) == (404, "redemption-not-found")
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 0}]
    events = await told(database)
    assert [type(each) for each in events] == [CouponRedeemed, RedemptionRolledBack]
    assert isinstance(events[1], RedemptionRolledBack)
    assert (events[1].data.redemption_id, events[1].data.rolled_back_at) == (redemption_id, T0)


async def test_redeeming_again_after_a_rollback_is_another_redemption(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    found: set[str] = set()
    async with client(database) as http:
        for _ in range(3):
            answer = await http.post("/v1/redemptions", json=use(code))
            assert answer.status_code == 201
            found.add(answer.json()["redemption_id"])
            await http.post(f"/v1/redemptions/{answer.json()['redemption_id']}/rollback")
        history = (await http.get(f"/v1/coupons/{code}/redemptions")).json()["data"]
    assert {each["redemption_id"] for each in history} == found
    assert len(found) == 3


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ({}, {"code": "UNKNOWN"}, (404, "coupon-not-found")),
        ({}, {"code": "7KQM\x002XPD"}, (422, "invalid")),
        ({}, {"customer_id": "cus_bob"}, (422, "wrong-customer")),
        ({}, {"source_id": "bob"}, (422, "wrong-customer")),
        ({"shops": ("s2", "s3")}, {}, (422, "shop-not-eligible")),
        ({"minimum_spend": 10_001}, {}, (422, "minimum-spend-not-met")),
        ({}, {"currency": "EUR"}, (422, "currency-mismatch")),
        ({}, {"discount": {"platform": 1, "merchant": 0}}, (422, "discount-not-expected")),
        ({"discount": AS_REPORTED}, {}, (422, "discount-required")),
    ],
)
async def test_each_rule_has_its_own_code(
    fresh_database: FreshDatabase, fields: dict[str, Any], body: dict[str, Any], expected: tuple[int, str]
) -> None:
    """CP2, CP5; over validations the same rules answer 200 with the reason."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, **fields))
    async with client(database) as http:
        answer = await http.post("/v1/redemptions", json=use(**{"code": code, **body}))
        assert refused(answer) == expected
        assert answer.json()["errors"][0]["pointer"].startswith("/")
        validation = await http.post("/v1/validations", json=use(**{"code": code, **body}))
        if expected[1] not in ("invalid", "discount-required"):
            assert (validation.status_code, validation.json()["reason"]) == (200, expected[1])
            assert validation.json()["valid"] is False
    assert await rows(database, "SELECT 1 FROM redemptions") == []
    assert await told(database) == []


async def test_a_coupon_is_valid_in_a_half_open_interval(fresh_database: FreshDatabase) -> None:
    """CP10: at the instant of its end it has expired."""
    database = await fresh_database("coupons")
    window = Validity(ValidityType.STATIC, starts_at=T0 + DAY, ends_at=T0 + 2 * DAY)
    code = await issue(database, await add_template(database, validity=window, uses=None))
    async with client(database) as http:
        for at, expected, status in [
            (T0 + DAY - MOMENT, "coupon-not-active-yet", "not_active_yet"),
            (T0 + DAY, None, "usable"),
            (T0 + 2 * DAY - MOMENT, None, "usable"),
            (T0 + 2 * DAY, "coupon-expired", "expired"),
        ]:
            await move_clock(database, at)
            answer = await http.post("/v1/redemptions", json=use(code, order_id=f"{at}"))
            assert (answer.status_code, answer.json().get("code")) == ((422, expected) if expected else (201, code))
            assert (await http.get(f"/v1/coupons/{code}")).json()["status"] == status
        # What was redeemed while it was valid is still that redemption, whenever it is asked for again.
        assert (await http.post("/v1/redemptions", json=use(code, order_id=f"{T0 + DAY}"))).status_code == 200


async def test_the_owner_may_be_named_by_the_shops_own_id(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    owner = IDS.derive("cus", "web", "source_id", "anna")
    code = await issue(database, await add_template(database), customer_id=owner)
    async with client(database) as http:
        for wrong in ({"source_id": "anna", "platform": "app"}, {"source_id": "bob"}):
            assert refused(await http.post("/v1/redemptions", json=use(code, **wrong))) == (422, "wrong-customer")
        assert (await http.post("/v1/redemptions", json=use(code, source_id="anna"))).status_code == 201
        assert (await http.post("/v1/redemptions", json=use(code, customer_id=owner))).status_code == 200


async def test_codes_may_be_typed_with_dashes_and_in_lower_case(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    typed = f" {code[:4]}-{code[4:8]}-{code[8:]} ".lower()
    async with client(database) as http:
        assert (await http.post("/v1/redemptions", json=use(typed))).json()["code"] == code
        assert (await http.get(f"/v1/coupons/{typed.strip()}")).json()["code"] == code


async def test_a_validation_tells_the_discount_and_changes_nothing(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, platform_share=50))
    reported = await issue(database, await add_template(database, discount=AS_REPORTED), 2)
    async with client(database) as http:
        answer = await http.post("/v1/validations", json=use(code))
        assert answer.json() == {
            "valid": True,
            "code": code,
            "reason": None,
            "detail": None,
            "discount": {"amount": 500, "platform": 250, "merchant": 250},
        }
        without_order = {name: value for name, value in use(code).items() if name != "order_id"}
        assert (await http.post("/v1/validations", json=without_order)).json()["valid"] is True
        answer = await http.post("/v1/validations", json=use(reported))
        assert (answer.json()["valid"], answer.json()["discount"]) == (True, None)
        assert (await http.get(f"/v1/coupons/{code}")).json()["used"] == 0
        await http.post("/v1/redemptions", json=use(code))
        assert (await http.post("/v1/validations", json=use(code))).json()["valid"] is True
        answer = await http.post("/v1/validations", json=use(code, order_id="another"))
        assert answer.json()["reason"] == "coupon-already-redeemed"


async def test_an_idempotency_key_repeats_the_answer(fresh_database: FreshDatabase) -> None:
    """P4: also a refusal, though the coupon could be used by now; and never with another body."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    async with client(database) as http:
        first = await http.post("/v1/redemptions", json=use(code), headers={"Idempotency-Key": "a"})
        again = await http.post("/v1/redemptions", json=use(code), headers={"Idempotency-Key": "a"})
        assert (first.status_code, again.status_code, again.text) == (201, 201, first.text)
        assert again.headers["Idempotent-Replayed"] == "true"
        reused = await http.post("/v1/redemptions", json=use(code, amount=1), headers={"Idempotency-Key": "a"})
        assert refused(reused) == (422, "idempotency-key-reused")
        other = use(code, order_id="o2")
        no = await http.post("/v1/redemptions", json=other, headers={"Idempotency-Key": "b"})
        assert refused(no) == (422, "coupon-already-redeemed")
        undo = f"/v1/redemptions/{first.json()['redemption_id']}/rollback"
        undone = [await http.post(undo, headers={"Idempotency-Key": "c"}) for _ in range(2)]
        assert [each.status_code for each in undone] == [200, 200]
        still_no = await http.post("/v1/redemptions", json=other, headers={"Idempotency-Key": "b"})
        assert (still_no.status_code, still_no.content) == (422, no.content)
        assert (await http.post("/v1/redemptions", json=other)).status_code == 201


async def test_one_key_at_once_is_one_redemption(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    headers = {"Idempotency-Key": "same"}
    async with client(database) as http:
        found = await asyncio.gather(
            *(http.post("/v1/redemptions", json=use(code), headers=headers) for _ in range(10))
        )
    assert {each.status_code for each in found} <= {201, 409}
    assert {refused(each)[1] for each in found if each.status_code == 409} <= {"request-in-progress"}
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]


async def test_a_shops_key_redeems_and_sees_in_its_own_shop_only(fresh_database: FreshDatabase) -> None:
    """I14."""
    database = await fresh_database("coupons")
    everywhere = await issue(database, await add_template(database, uses=None))
    ours = await issue(database, await add_template(database, uses=None, shops=("s1",)), 2)
    theirs = await issue(database, await add_template(database, uses=None, shops=("s2",)), 3)
    async with client(database) as http:
        foreign = (await http.post("/v1/redemptions", json=use(everywhere, shop_id="s2"))).json()["redemption_id"]
    async with client(database, shop_id="s1") as http:
        assert refused(await http.post("/v1/redemptions", json=use(ours, shop_id="s2"))) == (403, "shop-bound-key")
        assert refused(await http.post("/v1/validations", json=use(ours, shop_id="s2"))) == (403, "shop-bound-key")
        assert refused(await http.post("/v1/redemptions", json=use(theirs))) == (422, "shop-not-eligible")
        own = await http.post("/v1/redemptions", json=use(everywhere))
        assert own.status_code == 201
        assert (await http.get(f"/v1/coupons/{ours}")).status_code == 200
        for code in (everywhere, theirs):
            assert refused(await http.get(f"/v1/coupons/{code}")) == (404, "coupon-not-found")
        assert (await http.get(f"/v1/coupons/{everywhere}/redemptions")).json()["data"] == [own.json()]
        assert refused(await http.get(f"/v1/redemptions/{foreign}")) == (404, "redemption-not-found")
        assert refused(await http.post(f"/v1/redemptions/{foreign}/rollback")) == (404, "redemption-not-found")
        for path in ("/v1/templates", "/v1/customers/cus_anna/coupons"):
            assert refused(await http.get(path)) == (403, "shop-bound-key")


BAD: list[dict[str, Any]] = [
    {"amount": -1},
    {"amount": 1.0},
    {"amount": 1e3},
    {"amount": True},
    {"amount": "1"},
    {"amount": 2**53},
    {"amount": 10**400},
    {"amount": None},
    {"amount": [[]]},
    {"currency": "usd"},
    {"currency": "USDD"},
    {"currency": "USD\n"},
    {"code": ""},
    {"code": 7},
    {"code": "x" * 257},
    {"code": "\ud800"},
    {"order_id": "\x00"},
    {"shop_id": "\udfff"},
    {"reference": "x" * 257},
    {"reference": None},
    {"discount": {"platform": -1, "merchant": 0}},
    {"discount": {"platform": 1.5, "merchant": 0}},
    {"discount": {"platform": 1}},
    {"discount": []},
    {"is_admin": True},
    {"\ud800": 1},
]


async def test_a_bad_body_is_a_problem_and_changes_nothing(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None, discount=AS_REPORTED))
    async with client(database) as http:
        for number, patch in enumerate(BAD):
            content = json.dumps(use(**{"code": code, "discount": {"platform": 1, "merchant": 1}, **patch})).encode()
            for path in ("/v1/redemptions", "/v1/validations"):
                for headers in ({}, {"Idempotency-Key": f"{path} {number}"}):
                    answer = await http.post(path, content=content, headers=headers)
                    assert refused(answer)[0] in (400, 422), (patch, answer.text)
    assert await rows(database, "SELECT 1 FROM redemptions") == []


NO_BODY = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b'{"amount": NaN}',
    b'{"amount": Infinity}',
    b'{"amount": ' + b"9" * 5_000 + b"}",
    b"[" * 100_000,
    b'{"code": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
]


async def test_what_is_no_body_at_all_is_a_problem(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    async with client(database) as http:
        for content in NO_BODY:
            for path in ("/v1/redemptions", "/v1/templates"):
                answer = await http.post(path, content=content, headers={"content-type": "application/json"})
                assert refused(answer)[0] in (400, 422), content[:50]
