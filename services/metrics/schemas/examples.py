"""What each field looks like in the examples of metrics' OpenAPI document: the figures of a recall campaign."""

from typing import Any

from services.metrics.domain.figures import STAGES


def _rate(numerator: int, denominator: int) -> dict[str, Any]:
    return {"value": numerator / denominator, "numerator": numerator, "denominator": denominator}


def _forms(numerator: int, denominator: int) -> dict[str, Any]:
    return {"so_far": _rate(numerator, denominator), "matured": _rate(numerator // 2, denominator // 2)}


_TREATED, _HELD_OUT = _rate(90, 360), _rate(6, 40)

EXAMPLES: dict[str, Any] = {
    # rates and money
    "redemption_rate": _forms(84, 360),
    "wake_up_rate": _forms(90, 400),
    "amount": 739200,
    "currency": "CNY",
    "SubsidyAnswer.platform": {"amount": 51744, "currency": "CNY"},
    "SubsidyAnswer.merchant": {"amount": 22176, "currency": "CNY"},
    "other_currencies": [],
    # campaigns
    "campaign_id": "cmp_t7snzhary27g6wt6xnj5s1n2",
    "name": "Spring recall",
    "CampaignMetricsAnswer.status": "active",
    "CampaignLineAnswer.status": "active",
    "goal": "recall",
    "channel": "sms",
    "attribution_days": 14,
    "audience": 412,
    "CampaignMetricsAnswer.treated": 360,
    "CampaignMetricsAnswer.held_out": 40,
    "CampaignMetricsAnswer.suppressed": {"cause-gone": 12},
    "pending": 0,
    "CampaignMetricsAnswer.issued": 360,
    "CampaignMetricsAnswer.expired": 252,
    "CampaignMetricsAnswer.orders": 84,
    "ChannelAnswer.orders": 84,
    "redeemers": 84,
    "redemptions": 84,
    "issued": 360,
    "expired": 252,
    "redeemed": 84,
    "RecallAnswer.treated": _forms(90, 360),
    "RecallAnswer.held_out": _forms(6, 40),
    "RecallAnswer.suppressed": _forms(2, 12),
    "suppressed_by_reason": {"cause-gone": _forms(2, 12)},
    "lift": {
        "estimate": 0.1, "low": -0.02, "high": 0.22, "p_value": 0.158, "treated": _TREATED, "held_out": _HELD_OUT,
    },
    "revenue_lift": {
        "estimate": 853.3, "low": -120.4, "high": 1827.0, "p_value": 0.086, "treated": 2053.3, "held_out": 1200.0,
        "currency": "CNY",
    },
    "reach": _forms(216, 360),
    "new_visitors": 3,
    "new_buyers": 1,
    "AovAnswer.before": _rate(3168000, 360),
    "AovAnswer.after": _rate(739200, 84),
    "PerCustomerAovAnswer.before": {"value": 8640.5, "customers": 360},
    "PerCustomerAovAnswer.after": {"value": 8800.0, "customers": 84},
    # the whole business
    "by": "month",
    "zone": "Asia/Shanghai",
    "PeriodAnswer.orders": 84,
    "active_customers": 80,
    "PeriodAnswer.aov": _rate(739200, 84),
    "counts": dict.fromkeys(STAGES, 120),
    "known": 2500,
    "buyers": 2100,
    "shops": 3,
    "OverviewAnswer.orders": 9041,
    "OverviewAnswer.campaigns": {"total": 2, "by_status": {"active": 1, "ended": 1}},
}  # fmt: skip
