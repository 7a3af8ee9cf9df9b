"""What each field looks like in the examples of coupons' OpenAPI document: Anna's coupon, and its use."""

from typing import Any

_PERCENT = {"type": "percent_off", "percent": 10, "cap": 2000, "currency": "CNY"}

EXAMPLES: dict[str, Any] = {
    # templates
    "template_id": "tpl_8nc07qn0ct56snjrrjfr3pkt",
    "version": 1,
    "issued": 412,
    "created_at": "2026-03-01T08:00:00Z",
    "archived_at": None,
    "name": "10 % for who comes back",
    "kind": "comeback",
    "TemplateAnswer.discount": _PERCENT,
    "minimum_spend": 3000,
    "shops": ["tea-house-nanjing-road"],
    "starts_at": "2026-03-01T08:00:00Z",
    "ends_at": None,
    "validity": {"type": "relative", "days": 14, "may_outlive_template": False},
    "uses": 1,
    "quantity": 1000,
    "subsidy": {"platform_share": 70, "merchant_share": 30},
    # coupons
    "coupon_id": "cpn_qh2ttcjy2svmxn5emm2w3jpt",
    "code": "7RP223XM5DM5FXE",
    "customer_id": "cus_ay1gr23twwdyjz0qgb8wrxvn",
    "campaign_id": "cmp_t7snzhary27g6wt6xnj5s1n2",
    "decision_id": "dec_1s15b7y2t5p56qktgcavagw6",
    "template_version": 1,
    "channel": "sms",
    "issued_at": "2026-03-05T10:23:02.250Z",
    "valid_from": "2026-03-05T10:23:02.250Z",
    "valid_until": "2026-03-19T10:23:02.250Z",
    "used": 0,
    "status": "usable",
    "CouponAnswer.discount": _PERCENT,
    # redemptions
    "valid": True,
    "reason": None,
    "detail": None,
    "redemption_id": "rdm_1jnxayperjqa45czsr9y4108",
    "shop_id": "tea-house-nanjing-road",
    "order_id": "SO-260309-0188",
    "reference": "",
    "amount": 8800,
    "currency": "CNY",
    "redeemed_at": "2026-03-09T14:04:05Z",
    "rolled_back_at": None,
    "DiscountAnswer.amount": 880,
    "platform": 616,
    "merchant": 264,
}
