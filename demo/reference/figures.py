"""The shape of the reference figures: plain frozen dataclasses, JSON-able by `as_dict`. Money is integer cents."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Totals:
    households: int
    baskets: int
    stores: int
    sales_cents: int
    coupon_disc_cents: int
    coupon_match_disc_cents: int
    zero_total_baskets: int
    mean_basket_cents: float
    median_basket_cents: float


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month of New York time."""

    month: str
    baskets: int
    households: int
    sales_cents: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign of the set. One coupon per targeted household; `matured` counts coupons used or expired for good."""

    campaign_id: str
    campaign_type: str
    targeted: int
    issued: int
    redeemers: int
    redemptions: int
    redemption_rate: float
    matured: int
    orders: int
    sales_cents: int
    platform_cents: int
    merchant_cents: int


@dataclass(frozen=True, slots=True)
class CampaignSums:
    """All campaigns together; `sales_cents` counts an order once per campaign that it used."""

    campaigns: int
    targeted_pairs: int
    targeted_households: int
    pairs_issued_before_first_order: int
    redemptions: int
    redeemed_pairs: int
    redeeming_households: int
    redeemed_campaigns: int
    coupon_upcs: int
    redeeming_baskets: int
    baskets_of_several_campaigns: int
    coupon_basket_pairs: int
    outside_campaign_or_audience: int
    sales_cents: int
    platform_cents: int
    merchant_cents: int


@dataclass(frozen=True, slots=True)
class StageCounts:
    """How many households are in each stage at one instant; `no_stage` = not yet a buyer."""

    at: str
    counts: dict[str, int]
    no_stage: int


@dataclass(frozen=True, slots=True)
class Transition:
    """How often one stage followed another; `from_stage` is None for a first stage."""

    from_stage: str | None
    to_stage: str
    count: int


@dataclass(frozen=True, slots=True)
class Lifecycle:
    counts: list[StageCounts]
    stage_changes: int
    transitions: list[Transition]
    silent_entries: int
    silent_customers: int
    reacquired: int


@dataclass(frozen=True, slots=True)
class Recall:
    """The recall campaign, both arms together: which household falls in which arm is the product's own hash.

    `ordered` counts delivered entries with an order within the attribution window; `matured` and
    `matured_ordered` look only at windows that have closed by the last tick.
    """

    entries: int
    cause_gone: int
    refused_ah1: int
    refused_ah2: int
    delivered: int
    customers: int
    ordered: int
    matured: int
    matured_ordered: int


@dataclass(frozen=True, slots=True)
class Reference:
    totals: Totals
    months: list[Month]
    campaigns: list[Campaign]
    campaign_sums: CampaignSums
    lifecycle: Lifecycle
    recall: Recall

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
