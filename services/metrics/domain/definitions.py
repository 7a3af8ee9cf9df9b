"""What every figure means, for `GET /v1/metrics/definitions`. Named by its path in the answers."""

from typing import NamedTuple


class Definition(NamedTuple):
    row: str
    definition: str
    unit: str


_CUSTOMERS, _DECISIONS, _COUPONS, _ORDERS, _SHARE, _MONEY = (
    "customers",
    "decisions",
    "coupons",
    "orders",
    "share of 1",
    "minor units of the currency",
)
_SO_FAR = "So far: all of them."
_WINDOW = (
    "The attribution window lasts `attribution_days` x 24 h from the tick of the decision; its end lies outside it."
)
_CLOSED = "Matured: only those whose attribution window has closed at the service's clock."
_COUNTS = "An order counts while it is paid, not cancelled and not wholly refunded."

_AUDIENCE = {
    "audience": Definition("TG3", "Decisions made in the campaign, in all arms.", _DECISIONS),
    "treated": Definition("section 15, incremental", "Decisions for which a coupon was issued.", _DECISIONS),
    "held_out": Definition(
        "section 15, incremental",
        "Decisions of the holdout that would have been given a coupon, after the same checks as the treated.",
        _DECISIONS,
    ),
    "suppressed": Definition(
        "AH5",
        "Decisions that led to nothing, by reason: the first reason of targeting, or the code of coupons' refusal.",
        _DECISIONS,
    ),
    "pending": Definition(
        "AH5",
        "Decisions that coupons has not answered yet; audience = treated + held out + suppressed + pending.",
        _DECISIONS,
    ),
}

_COUPONS_USED = {
    "issued": Definition("MT3", "Coupons issued.", _COUPONS),
    "expired": Definition(
        "CP14", "Coupons whose validity has ended at the service's clock without a standing redemption.", _COUPONS
    ),
    "redeemers": Definition("MT3", "Distinct customers with a standing redemption.", _CUSTOMERS),
    "redemptions": Definition(
        "MT3",
        "Standing redemptions: those that were rolled back are taken out. A coupon may have several.",
        "redemptions",
    ),
    "redemption_rate.so_far": Definition("MT3", "Coupons with a standing redemption / coupons issued.", _SHARE),
    "redemption_rate.matured": Definition(
        "MT3",
        "The same over coupons that can no longer change: redeemed, or expired at the service's clock.",
        _SHARE,
    ),
    "orders": Definition("MT2", "Distinct orders (shop and order id) with a standing redemption.", _ORDERS),
    "sales": Definition("MT2", f"Paid amount of these orders, each once, refunds subtracted. {_COUNTS}", _MONEY),
    "subsidy.platform": Definition(
        "MT1", "The platform's share of the discount given, summed over standing redemptions.", _MONEY
    ),
    "subsidy.merchant": Definition(
        "MT1", "The merchants' share of the discount given, summed over standing redemptions.", _MONEY
    ),
}


def _recall(arm: str, who: str) -> dict[str, Definition]:
    text = (
        f"Of the {who} to customers who were silent or churned at the tick of the decision (the stage frozen on it), "
        f"the share with a counted order paid inside the attribution window. The unit is the delivery. {_WINDOW}"
    )
    return {
        f"recall.{arm}.so_far": Definition("MT8", f"{text} {_SO_FAR}", _SHARE),
        f"recall.{arm}.matured": Definition("MT8", f"{text} {_CLOSED}", _SHARE),
    }


_RECALL = {
    **_recall("treated", "deliveries"),
    **_recall("held_out", "withheld deliveries"),
    **_recall("suppressed", "suppressed decisions"),
    **_recall("suppressed_by_reason", "decisions suppressed for this reason"),
}

_FIRST = (
    "Over each customer's first delivery in the campaign, treated or held out; if the campaign's goal is recall, only "
    "those where the customer was silent or churned. Windows that are still open are included: both arms opened theirs "
    "at the same ticks."
)

_LIFT = {
    "lift.treated": Definition(
        "incremental", f"Share of treated customers who ordered inside the window. {_FIRST}", _SHARE
    ),
    "lift.held_out": Definition(
        "incremental", f"Share of held-out customers who ordered inside the window. {_FIRST}", _SHARE
    ),
    "lift.estimate": Definition("incremental", f"The treated share less the held-out share. {_FIRST}", _SHARE),
    "lift.low": Definition(
        "incremental", "Lower end of the 95 % interval of the estimate (Newcombe's hybrid score).", _SHARE
    ),
    "lift.high": Definition(
        "incremental", "Upper end of the 95 % interval of the estimate (Newcombe's hybrid score).", _SHARE
    ),
    "lift.p_value": Definition("incremental", "Two-sided p-value of no difference (pooled z test).", "probability"),
    "revenue_lift.treated": Definition(
        "incremental", f"Amount paid inside the window per treated customer. {_FIRST}", _MONEY
    ),
    "revenue_lift.held_out": Definition(
        "incremental", f"Amount paid inside the window per held-out customer. {_FIRST}", _MONEY
    ),
    "revenue_lift.estimate": Definition("incremental", f"The treated mean less the held-out mean. {_FIRST}", _MONEY),
    "revenue_lift.low": Definition(
        "incremental", "Lower end of the 95 % interval of the estimate (Welch's t).", _MONEY
    ),
    "revenue_lift.high": Definition(
        "incremental", "Upper end of the 95 % interval of the estimate (Welch's t).", _MONEY
    ),
    "revenue_lift.p_value": Definition(
        "incremental", "Two-sided p-value of no difference (Welch's t test).", "probability"
    ),
}

_VISITS = {
    "reach.so_far": Definition(
        "MT9",
        "Treated customers who came inside an attribution window / treated customers; null while no visit is known.",
        _SHARE,
    ),
    "reach.matured": Definition("MT9", f"The same over closed windows. {_CLOSED}", _SHARE),
    "new_visitors": Definition(
        "MT6",
        "Treated customers whose first ever visit lies inside a window; null while no visit is known.",
        _CUSTOMERS,
    ),
    "new_buyers": Definition(
        "MT6", f"Treated customers whose first ever order lies inside a window. {_COUNTS}", _CUSTOMERS
    ),
}


def _aov(side: str, window: str) -> dict[str, Definition]:
    who = (
        f"of treated customers {window} their first delivery. Both windows are equally long: the attribution window, "
        "or as much of it as has passed at the service's clock."
    )
    return {
        f"aov.{side}": Definition("MT4", f"Paid amount / paid orders, {who}", _MONEY),
        f"aov.per_customer.{side}": Definition("MT4", f"Mean of the customers' own averages, {who}", _MONEY),
    }


_ALONE = {
    "active_customers": Definition("MT4", "Distinct customers with a counted order paid in the period.", _CUSTOMERS),
    "aov": Definition("MT4", "Sales / orders of the period.", _MONEY),
    "counts": Definition("MT15", "Customers by the lifecycle stage that holds at the service's clock.", _CUSTOMERS),
    "customers.known": Definition(
        "DP1", "Customers who have a lifecycle stage: who has visited or ordered.", _CUSTOMERS
    ),
    "customers.buyers": Definition("DP2", f"Distinct customers with a counted order. {_COUNTS}", _CUSTOMERS),
    "shops": Definition("DP1", "Distinct shops with a counted order.", "shops"),
    "coupons.issued": _COUPONS_USED["issued"],
    "coupons.redeemed": Definition("MT3", "Coupons with a standing redemption.", _COUPONS),
    "coupons.expired": _COUPONS_USED["expired"],
    "campaigns.total": Definition("TG1", "Campaigns, whatever their status.", "campaigns"),
    "campaigns.by_status": Definition("TG1", "Campaigns by status.", "campaigns"),
    "wake_up_rate.so_far": Definition("MT13", "Recall of the treated over all campaigns (MT8), so far.", _SHARE),
    "wake_up_rate.matured": Definition("MT13", f"Recall of the treated over all campaigns (MT8). {_CLOSED}", _SHARE),
}

DEFINITIONS: dict[str, Definition] = {
    **_AUDIENCE,
    **_COUPONS_USED,
    **_RECALL,
    **_LIFT,
    **_VISITS,
    **_aov("before", "before"),
    **_aov("after", "after"),
    **_ALONE,
}
