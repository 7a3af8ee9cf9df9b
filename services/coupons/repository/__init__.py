"""Coupons' SQL. Set-based: a chunk of a tick is a handful of statements; rows are locked in the order of their keys."""

from services.coupons.repository.coupons import (
    add_coupons,
    expire_coupons,
    get_coupon,
    list_coupons,
    lock_coupon,
    lock_coupons,
)
from services.coupons.repository.decisions import add_decisions, answer_decisions, get_customers, list_waiting
from services.coupons.repository.orders import find_known_orders, mark_orders, refuse_codes, take_marked, upsert_orders
from services.coupons.repository.redemptions import (
    add_redemptions,
    adopt_redemption,
    get_redemption,
    list_redemptions,
    list_redemptions_of_orders,
    roll_back,
)
from services.coupons.repository.retelling import list_all_redemptions, list_issued, list_not_issued
from services.coupons.repository.templates import (
    add_issued,
    add_template,
    add_version,
    archive_template,
    get_template,
    list_templates,
    lock_stocks,
    lock_template,
)

__all__ = [
    "add_coupons",
    "add_decisions",
    "add_issued",
    "add_redemptions",
    "add_template",
    "add_version",
    "adopt_redemption",
    "answer_decisions",
    "archive_template",
    "expire_coupons",
    "find_known_orders",
    "get_coupon",
    "get_customers",
    "get_redemption",
    "get_template",
    "list_all_redemptions",
    "list_coupons",
    "list_issued",
    "list_not_issued",
    "list_redemptions",
    "list_redemptions_of_orders",
    "list_templates",
    "list_waiting",
    "lock_coupon",
    "lock_coupons",
    "lock_stocks",
    "lock_template",
    "mark_orders",
    "refuse_codes",
    "roll_back",
    "take_marked",
    "upsert_orders",
]
