"""Paid orders that name codes, beside the same uses reported over HTTP."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.coupons import actions
from services.coupons.actions import ordering
from services.coupons.domain import Discount, DiscountType, Use, Validity, ValidityType
from shared.database import Database
from shared.events.coupons import CouponRedeemed
from tests.conftest import FreshDatabase
from tests.coupons.given import (
    AS_REPORTED,
    DAY,
    T0,
    WAITING,
    add_template,
    apply,
    client,
    decision,
    issue,
    paid,
    refused,
    tick,
    use,
)
from tests.support.doing import IDS, rows, told

HOUR = timedelta(hours=1)


async def test_a_paid_order_that_names_a_code_uses_the_coupon_once(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    discount = Discount(DiscountType.PERCENT_OFF, "USD", percent=10)
    code = await issue(database, await add_template(database, discount=discount, uses=None))
    order = paid(1, [f"{code[:5]}-{code[5:]}".lower(), code, "SPRING", "10 % off"])
    await apply(database, order, order)
    assert await told(database) == []
    await tick(database, T0 + DAY)
    await apply(database, order)
    await tick(database, T0 + 2 * DAY)
    [event] = await told(database)
    assert isinstance(event, CouponRedeemed)
    data = event.data
    assert (data.platform, data.merchant, data.order_id, data.redeemed_at) == (1_000, 0, "o1", T0 + HOUR)
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]


async def test_an_order_that_was_redeemed_over_http_is_left_alone(fresh_database: FreshDatabase) -> None:
    """Whatever the reference, and also when that redemption was rolled back."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    async with client(database) as http:
        await http.post("/v1/redemptions", json=use(code, reference="a"))
        undone = await http.post("/v1/redemptions", json=use(code, order_id="o2"))
        await http.post(f"/v1/redemptions/{undone.json()['redemption_id']}/rollback")
    await told(database)
    await apply(database, paid(1, [code]), paid(2, [code]))
    await tick(database, T0 + DAY)
    assert await told(database) == []
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]


@pytest.mark.parametrize("reference", ["", "till 7"])
async def test_http_after_the_order_is_the_same_redemption(fresh_database: FreshDatabase, reference: str) -> None:
    """Once: a second use of that order, by another reference, is one of its own, as when HTTP came first."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    await apply(database, paid(1, [code]))
    await tick(database, T0 + DAY)
    async with client(database) as http:
        [made] = (await http.get(f"/v1/coupons/{code}/redemptions")).json()["data"]
        assert refused(await http.post("/v1/redemptions", json=use(code, amount=1)))[0] == 409
        for _ in range(2):
            answer = await http.post("/v1/redemptions", json=use(code, reference=reference))
            assert answer.status_code == 200
            assert answer.json() == {**made, "reference": reference}
        second = await http.post("/v1/redemptions", json=use(code, reference="another"))
        assert second.status_code == 201
        undone = await http.post(f"/v1/redemptions/{made['redemption_id']}/rollback")
        assert undone.status_code == 200
        again = await http.post("/v1/redemptions", json=use(code, reference=reference))
        assert again.status_code == 201
        assert len({made["redemption_id"], second.json()["redemption_id"], again.json()["redemption_id"]}) == 3
    assert len(await told(database)) == 4


@pytest.mark.parametrize(
    ("fields", "order", "code_of_refusal"),
    [
        ({}, {"customer_id": "cus_bob"}, "wrong-customer"),
        ({}, {"currency": "EUR"}, "currency-mismatch"),
        ({}, {"paid_at": T0 - HOUR}, "coupon-not-active-yet"),
        ({}, {"paid_at": T0 + 30 * DAY}, "coupon-expired"),
        ({"shops": ("s2",)}, {}, "shop-not-eligible"),
        ({"minimum_spend": 10_001}, {}, "minimum-spend-not-met"),
        ({"discount": AS_REPORTED}, {}, "discount-required"),
    ],
)
async def test_a_paid_order_must_keep_the_rules_as_of_its_payment(
    fresh_database: FreshDatabase, fields: dict[str, Any], order: dict[str, Any], code_of_refusal: str
) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, **fields))
    await apply(database, paid(1, [code], **order))
    await tick(database, T0 + 40 * DAY)
    assert [each for each in await told(database) if isinstance(each, CouponRedeemed)] == []
    assert await rows(database, "SELECT refusals FROM known_orders") == [{"refusals": {code: code_of_refusal}}]


async def test_an_order_paid_in_time_and_heard_of_too_late_uses_the_coupon(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    await tick(database, T0 + 31 * DAY)
    await told(database)
    await apply(database, paid(1, [code], paid_at=T0 + 30 * DAY - HOUR))
    await tick(database, T0 + 32 * DAY)
    [event] = await told(database)
    assert isinstance(event, CouponRedeemed)


async def test_what_does_not_count_uses_nothing(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    await apply(database, paid(1, [code], counted=False), paid(2, [code], paid_at=None), paid(3, []))
    await tick(database, T0 + DAY)
    assert await told(database) == []
    assert len(await rows(database, "SELECT 1 FROM known_orders")) == 2


async def test_the_newest_version_of_an_order_counts(fresh_database: FreshDatabase) -> None:
    """In any order of arrival; an order that no longer names the code does not use it."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None, minimum_spend=5_000))
    await apply(database, paid(1, [code], version=2, amount=9_000))
    await apply(database, paid(1, [code], version=1, amount=100), paid(2, [code], version=1))
    await apply(database, paid(2, [], version=2), paid(3, [code], amount=100))
    await tick(database, T0 + DAY)
    await apply(database, paid(3, [code], version=2, amount=5_000))
    await tick(database, T0 + 2 * DAY)
    found = await rows(database, "SELECT order_id, amount FROM redemptions ORDER BY order_id")
    assert found == [{"order_id": "o1", "amount": 9_000}, {"order_id": "o3", "amount": 5_000}]


async def test_of_two_orders_the_one_that_was_paid_first_uses_the_coupon(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when each comes in a chunk of its own."""
    for chunk in (5_000, 1):
        monkeypatch.setattr(ordering, "CHUNK", chunk)
        database = await fresh_database("coupons")
        code = await issue(database, await add_template(database))
        await apply(database, paid(1, [code], paid_at=T0 + 2 * HOUR), paid(2, [code]), paid(3, [IDS.code("unknown")]))
        await tick(database, T0 + DAY)
        assert await rows(database, "SELECT order_id FROM redemptions") == [{"order_id": "o2"}]
        refusals = await rows(database, "SELECT refusals FROM known_orders WHERE order_id = 'o1'")
        assert refusals == [{"refusals": {code: "coupon-already-redeemed"}}]


async def test_an_order_heard_of_before_the_coupon_uses_it_when_it_is_issued(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    static = Validity(ValidityType.STATIC, starts_at=T0, ends_at=T0 + 9 * DAY)
    template_id = await add_template(database, validity=static)
    code = IDS.code("dec_1")
    await apply(database, paid(1, [code], paid_at=T0 + 2 * DAY))
    await tick(database, T0)
    assert await told(database) == []
    await apply(database, decision(1, template_id, decided_at=T0 + DAY))
    await tick(database, T0 + DAY)
    assert [each.data.code for each in await told(database) if isinstance(each, CouponRedeemed)] == [code]


async def test_what_an_order_used_before_the_tick_is_not_held_at_the_tick(fresh_database: FreshDatabase) -> None:
    """AH1: paid orders are looked at before decisions."""
    database = await fresh_database("coupons")
    codes = [await issue(database, await add_template(database, kind=f"k{n}"), n) for n in range(5)]
    await apply(database, paid(1, codes[:1]), decision("x", await add_template(database, kind="x")))
    await tick(database, T0 + DAY)
    assert await rows(database, "SELECT outcome FROM known_decisions WHERE decision_id = 'dec_x'") == [
        {"outcome": "issued"}
    ]


async def clean(database: Database) -> None:
    """As after the migration, and with the template `tpl`."""
    definition = """{"name": "n", "kind": "k", "discount": {"type": "amount_off", "currency": "USD", "amount": 5},
                     "validity": {"type": "relative", "days": 30}}"""
    async with database.transaction() as session:
        driver = session.driver
        await driver.execute(
            "TRUNCATE templates, template_versions, known_decisions, coupons, redemptions, known_orders, outbox"
        )
        await driver.execute("UPDATE clock SET at = $1", T0 - DAY)
        await driver.execute("INSERT INTO templates VALUES ('tpl', 1, 0, $1)", T0)
        await driver.execute("INSERT INTO template_versions VALUES ('tpl', 1, $1, $2)", definition, T0)


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    """One for all examples of a test."""
    return await fresh_database("coupons")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(8)), st.lists(st.integers(1, 7), max_size=3))
async def test_facts_come_out_the_same_in_any_order_and_twice_is_once(
    database: Database, order: list[int], cuts: list[int]
) -> None:
    """Decisions and paid orders, shuffled, told twice, in any batches."""
    codes = [IDS.code(f"dec_{number}") for number in range(3)]
    at = T0 + 2 * HOUR
    events = [
        *(decision(number, "tpl", campaign_id=f"c{number}", anti_harassment=False) for number in range(3)),
        paid(1, codes[:2], version=1, paid_at=at),
        paid(1, codes[:1], version=2, paid_at=at),
        paid(2, codes[:1], paid_at=at + HOUR),
        paid(3, codes[2:], paid_at=at),
        paid(4, codes[2:], paid_at=at, customer_id="cus_bob"),
    ]

    await clean(database)
    places = sorted({0, *cuts, len(order)})
    for first, last in itertools.pairwise(places):
        batch = [events[number] for number in order[first:last]]
        await apply(database, *batch, *batch)
        await apply(database, *batch)
    await tick(database, T0 + HOUR)
    await tick(database, T0 + DAY)
    found = await rows(
        database,
        "SELECT c.decision_id, r.order_id FROM redemptions AS r JOIN coupons AS c USING (coupon_id) ORDER BY 1",
    )
    assert found == [{"decision_id": "dec_0", "order_id": "o1"}, {"decision_id": "dec_2", "order_id": "o3"}]
    assert await rows(database, "SELECT sum(used)::int AS used FROM coupons") == [{"used": 2}]
    assert len(await told(database)) == 5


@pytest.mark.parametrize("reference", ["", "till 7"])
async def test_a_redemption_in_flight_is_seen_by_the_tick_that_waits_for_it(
    fresh_database: FreshDatabase, reference: str
) -> None:
    """The coupon is locked first and its redemptions are read then: never the other way round."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database, uses=None))
    await apply(database, paid(1, [code]))
    mine = Use(code, None, "s1", "o1", reference, 10_000, "USD", T0)
    async with database.transaction() as session:
        session.info.update({"service": "coupons", "ids": IDS})
        await actions.redeem(session, mine)
        ticking = asyncio.create_task(tick(database, T0 + DAY))
        while not await rows(database, WAITING):
            await asyncio.sleep(0.01)
    await ticking
    assert await rows(database, "SELECT reference FROM redemptions") == [{"reference": reference}]
    assert await rows(database, "SELECT used FROM coupons") == [{"used": 1}]
