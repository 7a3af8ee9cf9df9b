"""The end of a coupon is told once, as of its own instant (CP14)."""

from datetime import timedelta

import pytest

from services.coupons.actions import expiring
from services.coupons.domain import Validity, ValidityType
from shared.events.coupons import CouponExpired
from tests.conftest import FreshDatabase
from tests.coupons.given import DAY, T0, add_template, client, issue, refused, tick, use
from tests.support.doing import told

MOMENT = timedelta(microseconds=1)


async def test_an_expiry_is_told_once_at_its_own_instant(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    await tick(database, T0 + 30 * DAY - MOMENT)
    assert await told(database) == []
    await tick(database, T0 + 33 * DAY)
    await tick(database, T0 + 34 * DAY)
    [event] = await told(database)
    assert isinstance(event, CouponExpired)
    assert (event.data.code, event.data.channel, event.data.expired_at) == (code, "push", T0 + 30 * DAY)
    assert (event.time, event.subject) == (T0 + 30 * DAY, "cus_anna")


async def test_the_tick_at_the_very_end_tells_it(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    await issue(database, await add_template(database))
    await tick(database, T0 + 30 * DAY)
    assert [type(each) for each in await told(database)] == [CouponExpired]


async def test_many_are_told_in_chunks_in_the_order_in_which_they_ended(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await fresh_database("coupons")
    for number in range(7):
        static = Validity(ValidityType.STATIC, starts_at=T0, ends_at=T0 + (9 - number) * DAY)
        await issue(database, await add_template(database, validity=static), number)
    monkeypatch.setattr(expiring, "CHUNK", 2)
    await tick(database, T0 + 20 * DAY)
    ends = [each.data.expired_at for each in await told(database) if isinstance(each, CouponExpired)]
    assert ends == [T0 + days * DAY for days in range(3, 10)]


async def test_nothing_asks_whether_the_expiry_was_told(fresh_database: FreshDatabase) -> None:
    """All checks compare instants: the clock has passed the end, no tick has noticed."""
    database = await fresh_database("coupons")
    code = await issue(database, await add_template(database))
    async with database.transaction() as session:
        await session.driver.execute("UPDATE clock SET at = $1", T0 + 30 * DAY)
    async with client(database) as http:
        assert refused(await http.post("/v1/redemptions", json=use(code))) == (422, "coupon-expired")
        assert (await http.get(f"/v1/coupons/{code}")).json()["status"] == "expired"
