"""Profile's SQL. Set-based: a batch is a handful of statements, sorted by key so that two workers never deadlock."""

from services.profile.repository.customers import (
    get_customer,
    get_spend,
    list_customers,
    list_next_customers,
    recount_customers,
    renew_customers,
    upsert_customers,
    upsert_spend,
)
from services.profile.repository.orders import (
    Refund,
    add_orders,
    add_refunds,
    get_refund_sums,
    list_orders,
    lock_orders,
    order_of,
    renew_orders,
    update_orders,
)
from services.profile.repository.visits import Visit, add_visits, list_visits

__all__ = [
    "Refund",
    "Visit",
    "add_orders",
    "add_refunds",
    "add_visits",
    "get_customer",
    "get_refund_sums",
    "get_spend",
    "list_customers",
    "list_next_customers",
    "list_orders",
    "list_visits",
    "lock_orders",
    "order_of",
    "recount_customers",
    "renew_customers",
    "renew_orders",
    "update_orders",
    "upsert_customers",
    "upsert_spend",
]
