"""What profile knows after events, on a real database."""

from datetime import UTC, datetime, timedelta

from services.profile.consumers import consumers
from shared.events.profile import OrderPaid, ProfileUpdated
from shared.events.storefront import Order, Person, StorefrontOrderCompleted
from tests.conftest import FreshDatabase
from tests.support.doing import apply, rows, told

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def paid(number: int, total: int = 1000, person: str = "anna") -> StorefrontOrderCompleted:
    return StorefrontOrderCompleted(
        id=f"e{number}",
        source="shop",
        time=T0 + timedelta(hours=number),
        data=Order(person=Person(source_id=person), shop_id="s1", order_id=f"o{number}", total=total, currency="USD"),
    )


async def test_a_paid_order_is_counted_once_however_often_it_is_told(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    await apply(database, "profile", consumers, [paid(1), paid(2), paid(1)])
    await apply(database, "profile", consumers, [paid(2)])
    customers = await rows(database, "SELECT * FROM customers")
    assert [(row["source_id"], row["orders"]) for row in customers] == [("anna", 2)]
    spend = await rows(database, "SELECT currency, orders, paid_amount FROM customer_spend")
    assert spend == [{"currency": "USD", "orders": 2, "paid_amount": 2000}]
    events = await told(database)
    assert len([event for event in events if isinstance(event, OrderPaid)]) == 2
    assert [event for event in events if isinstance(event, ProfileUpdated)][-1].data.orders == 2
