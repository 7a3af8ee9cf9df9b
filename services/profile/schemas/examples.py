"""What each field looks like in the examples of profile's OpenAPI document: Anna, and her orders."""

from typing import Any

EXAMPLES: dict[str, Any] = {
    # customers
    "customer_id": "cus_ay1gr23twwdyjz0qgb8wrxvn",
    "platform": "web",
    "source_id": "10482",
    "anonymous_id": None,
    "label": "old",
    "member": True,
    "orders": 2,
    "paid_amount": 15300,
    "first_order_at": "2026-02-03T10:23:02Z",
    "last_order_at": "2026-03-09T14:04:05Z",
    "visits": 7,
    "first_visit_at": "2026-02-03T10:12:41Z",
    "last_visit_at": "2026-03-09T13:58:20Z",
    "version": 1773065045000000,
    # orders
    "shop_id": "tea-house-nanjing-road",
    "order_id": "SO-260309-0188",
    "currency": "CNY",
    "total": 8800,
    "refunded_amount": 0,
    "counted": True,
    "paid_at": "2026-03-09T14:04:05Z",
    "cancelled_at": None,
    "coupons": ["7RP223XM5DM5FXE"],
    "channel": "app",
    # what is ingested
    "success": True,
    "taken": 2,
    "errors": [],
}
