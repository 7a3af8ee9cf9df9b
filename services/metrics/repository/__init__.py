"""Metrics' SQL: storing facts, and counting them when somebody asks."""

from services.metrics.repository.deliveries import get_deliveries
from services.metrics.repository.facts import (
    add_coupons,
    add_visits,
    upsert_campaigns,
    upsert_decisions,
    upsert_orders,
    upsert_outcomes,
    upsert_redemptions,
    upsert_stages,
)
from services.metrics.repository.redemptions import get_brought
from services.metrics.repository.totals import (
    get_campaign,
    get_clock,
    get_recalls,
    get_sales,
    get_stage_counts,
    get_statuses,
    get_totals,
    list_campaigns,
    list_sales,
)

__all__ = [
    "add_coupons",
    "add_visits",
    "get_brought",
    "get_campaign",
    "get_clock",
    "get_deliveries",
    "get_recalls",
    "get_sales",
    "get_stage_counts",
    "get_statuses",
    "get_totals",
    "list_campaigns",
    "list_sales",
    "upsert_campaigns",
    "upsert_decisions",
    "upsert_orders",
    "upsert_outcomes",
    "upsert_redemptions",
    "upsert_stages",
]
