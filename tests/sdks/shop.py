"""A storefront's view of a running Comeback: where it listens, and what it knows of a customer, asked over HTTP."""

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from deploy.local.stack import Stack
from shared.http.keys import add_key
from tests.sdks import story


class Shop:
    def __init__(self, stack: Stack) -> None:
        environment = stack.environment()
        self.stack = stack
        self.url = environment["COMEBACK_PROFILE_URL"]
        self.database_url = environment["COMEBACK_PROFILE_DATABASE_URL"]
        # May do everything, as the key of a server may that also reads.
        self.key = environment["COMEBACK_API_KEY"]
        self.browser_key = f"cbk_live_{secrets.token_hex(6)}_{secrets.token_hex(24)}"
        asyncio.run(add_key(self.database_url, stack.secret, self.browser_key, ["events:write"]))
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=20)

    def drain(self) -> None:
        """Returns when all that was acknowledged until now is in the tables: the clock has passed this instant."""
        until = datetime.now(UTC) + timedelta(milliseconds=50)
        self.wait_for(lambda: datetime.fromisoformat(self.get("/v1/clock")["at"]) > until, "the clock")

    def wait_for(self, check: Any, what: str, seconds: float = 40) -> None:
        end = time.monotonic() + seconds
        while not check():
            assert time.monotonic() < end, f"{what} did not come within {seconds} s"
            time.sleep(0.1)

    def get(self, path: str, **params: Any) -> Any:
        return self.http.get(path, params=params).raise_for_status().json()

    def customer(self, user: str) -> dict[str, Any]:
        """The one customer whom the shop knows by this id."""
        [found] = self.get("/v1/customers", source_id=user)["data"]
        return found

    def stranger(self, anonymous_id: str) -> dict[str, Any]:
        [found] = [each for each in self.customers() if each["anonymous_id"] == anonymous_id]
        return found

    def customers(self) -> list[dict[str, Any]]:
        return self.get("/v1/customers", limit=200)["data"]

    def orders(self, user: str) -> list[dict[str, Any]]:
        found = self.get(f"/v1/customers/{self.customer(user)['customer_id']}/orders")["data"]
        return sorted(found, key=lambda order: order["order_id"])

    def check(self, user: str, *, visits: int = story.VISITS) -> None:
        """All of the story has happened, and all of it once."""
        self.drain()
        customer = self.customer(user)
        assert (customer["visits"], customer["member"], customer["label"]) == (visits, True, "old")
        assert customer["spend"] == [{"currency": "EUR", "orders": 2, "paid_amount": 4990 + 2000 - 500}]
        wanted = story.found_orders(user)
        found = self.orders(user)
        assert [{name: order[name] for name in wanted[0]} for order in found] == wanted
        assert all(recent(order["paid_at"]) for order in found)
        # The first visit is the order that was placed an hour ago, the last one came with the calls.
        assert recent(customer["first_visit_at"], before=story.PLACED_BEFORE)
        assert recent(customer["last_visit_at"])
        # Two ids are two customers: who has a new one begins anew.
        renamed = self.customer(f"new-{user}")
        assert (renamed["visits"], renamed["orders"]) == (0, 0)


def recent(instant: str, *, before: timedelta = timedelta(0)) -> bool:
    """Whether it was that long ago, by this machine's clock, give or take what a test takes."""
    return abs(datetime.now(UTC) - before - datetime.fromisoformat(instant)) < timedelta(seconds=90)
