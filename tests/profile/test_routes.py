"""Profile's HTTP doors: customers and their orders."""

from collections.abc import AsyncIterator

import httpx
import pytest

from services.profile.app import make_app
from services.profile.settings import Settings
from shared.database import Database
from tests.conftest import FreshDatabase
from tests.profile.test_actions import hear, paid, refund
from tests.support.doing import client, settings_for


@pytest.fixture
async def database(fresh_database: FreshDatabase) -> Database:
    return await fresh_database("profile")


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client(make_app(settings_for(database, Settings)), database) as http:
        yield http


async def test_a_customer_is_found_by_the_shops_own_id(http: httpx.AsyncClient, database: Database) -> None:
    """DP2, DP6"""
    await hear(database, paid(1), paid(2, person="ben"), refund(1, 100))
    [anna] = (await http.get("/v1/customers", params={"source_id": "anna"})).json()["data"]
    assert (anna["label"], anna["orders"], anna["spend"]) == (
        "old",
        1,
        [{"currency": "USD", "orders": 1, "paid_amount": 900}],
    )
    assert (await http.get(f"/v1/customers/{anna['customer_id']}")).json() == anna


async def test_nobody_is_found_before_anybody_came(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/customers")).json() == {"data": [], "has_more": False, "next_cursor": None}
    answer = await http.get("/v1/customers/cus_nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "customer-not-found")
    assert (await http.get("/v1/customers/cus_nobody/orders")).status_code == 404


async def test_pages_hold_everybody_once(http: httpx.AsyncClient, database: Database) -> None:
    await hear(database, *(paid(number, person=f"c{number}") for number in range(25)))
    found: list[str] = []
    page = (await http.get("/v1/customers", params={"limit": 10})).json()
    while True:
        found += [each["source_id"] for each in page["data"]]
        if not page["has_more"]:
            break
        page = (await http.get("/v1/customers", params={"limit": 10, "cursor": page["next_cursor"]})).json()
    assert sorted(found) == sorted(f"c{number}" for number in range(25))


async def test_orders_come_earliest_first_and_in_pages(http: httpx.AsyncClient, database: Database) -> None:
    await hear(database, *(paid(number, at=20 - number) for number in range(5)))
    [anna] = (await http.get("/v1/customers")).json()["data"]
    path = f"/v1/customers/{anna['customer_id']}/orders"
    first = (await http.get(path, params={"limit": 3})).json()
    rest = (await http.get(path, params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [each["order_id"] for each in first["data"] + rest["data"]] == ["o4", "o3", "o2", "o1", "o0"]
    assert not rest["has_more"]


async def test_a_key_of_another_shop_sees_no_orders_and_no_customers(database: Database) -> None:
    """I14"""
    await hear(database, paid(1))
    async with client(make_app(settings_for(database, Settings)), database) as all_shops:
        [anna] = (await all_shops.get("/v1/customers")).json()["data"]
    for shop, expected in (("s", 1), ("other", 0)):
        async with client(make_app(settings_for(database, Settings)), database, shop_id=shop) as bound:
            assert (await bound.get("/v1/customers")).status_code == 403
            orders = (await bound.get(f"/v1/customers/{anna['customer_id']}/orders")).json()["data"]
            assert len(orders) == expected


async def test_the_cursor_of_another_shops_page_opens_nothing_of_that_shop(database: Database) -> None:
    """I14, row 53"""
    await hear(database, *(paid(number, at=number) for number in range(4)))
    async with client(make_app(settings_for(database, Settings)), database, shop_id="s") as own:
        async with client(make_app(settings_for(database, Settings)), database) as all_shops:
            [anna] = (await all_shops.get("/v1/customers")).json()["data"]
        path = f"/v1/customers/{anna['customer_id']}/orders"
        cursor = (await own.get(path, params={"limit": 2})).json()["next_cursor"]
        assert len((await own.get(path, params={"cursor": cursor})).json()["data"]) == 2
    async with client(make_app(settings_for(database, Settings)), database, shop_id="other") as other:
        assert (await other.get(path, params={"cursor": cursor})).json()["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=WzFd", "source_id=%00"])
async def test_bad_queries_are_refused(http: httpx.AsyncClient, query: str) -> None:
    answer = await http.get(f"/v1/customers?{query}")
    assert answer.status_code == 422
    assert answer.json()["code"]
