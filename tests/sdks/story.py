"""What every SDK tells of one customer, as plain calls, and what a storefront then finds at `GET /v1/customers`."""

from datetime import UTC, datetime, timedelta
from typing import Any

SHOP = "north"
# Under names that only order events are read for: a shop's own events may hold anything.
_ODD = {"total": "about ten", "currency": "points", "coupon": 7}
_PRODUCT = {"product_id": "p-1", "sku": "G-32", "category": "Games", "name": "Monopoly", "price": 18.99, "quantity": 1}


def _order(order_id: str, total: float | str, **more: Any) -> dict[str, Any]:
    taken = {"order_id": order_id, "total": total, "currency": "EUR", "shop_id": SHOP, "products": [_PRODUCT], **more}
    return taken | {"shipping": 3, "tax": 2, "discount": 2.5, "city": "Hamburg"}


def _track(event: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "track", "event": event, "properties": {"shop_id": SHOP, **properties}}


def calls(user: str) -> list[dict[str, Any]]:
    """Every kind of call; `user` makes the ids of its orders, its group and its other name its own."""
    return [
        # First: once a page knows who is there, its SDK sends that id with an alias, and drops the one it was given.
        {"type": "alias", "userId": f"new-{user}", "previousId": user},
        {"type": "identify", "traits": {"member": True, "email": "anna@shop.example", "age": 30}},
        {"type": "page", "name": "Home", "properties": {"path": "/", "channel": "web"}},
        {"type": "screen", "name": "Basket", "properties": {}},
        {"type": "group", "groupId": f"group-of-{user}", "traits": {"name": "Household", "member": "three"}},
        _track("Products Searched", {"query": "blue roses"}),
        _track("Product Viewed", {**_PRODUCT, "currency": "EUR"}),
        _track("Product Added", {**_PRODUCT, "cart_id": "c-1"}),
        _track("Cart Viewed", {"cart_id": "c-1", "products": [_PRODUCT]}),
        _track("Checkout Started", _order(f"{user}-1", 49.9, coupon="ABC")),
        _track("Survey Answered", _ODD),
        _track("Shipment Delivered", {"order_id": f"{user}-1", "city": "Hamburg"}),
        *orders(user),
    ]


# Pages, screens and tracks of above, and the order that was placed before it was paid.
VISITS = 9
PLACED_BEFORE = timedelta(hours=1)


def orders(user: str) -> list[dict[str, Any]]:
    # SDKs tell time in milliseconds: of two totals told within one, neither would be the later.
    earlier = (datetime.now(UTC) - PLACED_BEFORE).isoformat()
    return [
        {**_track("Order Placed", _order(f"{user}-1", 50)), "timestamp": earlier},
        _track("Order Completed", _order(f"{user}-1", 49.9, coupon="ABC", channel="web")),
        _track("Order Completed", _order(f"{user}-2", "20.00")),
        _track("Order Refunded", _order(f"{user}-2", 5)),
        _track("Order Completed", _order(f"{user}-3", 10)),
        _track("Order Cancelled", {"order_id": f"{user}-3"}),
    ]


def found_orders(user: str) -> list[dict[str, Any]]:
    """In minor units, by order id."""
    same = {"shop_id": SHOP, "currency": "EUR"}
    return [
        {**same, "order_id": f"{user}-1", "total": 4990, "refunded_amount": 0, "counted": True, "coupons": ["ABC"]},
        {**same, "order_id": f"{user}-2", "total": 2000, "refunded_amount": 500, "counted": True, "coupons": []},
        {**same, "order_id": f"{user}-3", "total": 1000, "refunded_amount": 1000, "counted": False, "coupons": []},
    ]
