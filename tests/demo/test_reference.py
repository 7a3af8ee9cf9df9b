"""The reference computes exactly the Complete Journey figures of the design page data.md, to the cent and to the row.

All literals are copied from that page ("Complete Journey", "The replay of 2017", "The recall campaign"), except the
transition matrix and the matured recall, which it does not print: those guard against change.
"""

import json
from dataclasses import astuple

from demo.reference import Reference

MONTHS = [
    ("2017-01", 12_807, 1_983, 37_330_023),
    ("2017-02", 11_795, 1_948, 35_005_508),
    ("2017-03", 12_958, 2_025, 37_999_784),
    ("2017-04", 12_711, 2_007, 37_325_444),
    ("2017-05", 13_695, 2_075, 40_162_929),
    ("2017-06", 13_005, 2_026, 37_317_132),
    ("2017-07", 13_759, 2_077, 39_709_105),
    ("2017-08", 13_406, 2_034, 38_442_612),
    ("2017-09", 12_633, 2_028, 36_755_787),
    ("2017-10", 13_248, 2_051, 38_780_868),
    ("2017-11", 12_734, 2_061, 38_602_721),
    ("2017-12", 13_097, 2_062, 42_172_045),
]

# new / rising / mature / declining / silent / churned; not yet a buyer
STAGE_COUNTS = {
    "2017-02-01T00:00:00Z": ([1_114, 80, 779, 4, 5, 0], 487),
    "2017-03-01T00:00:00Z": ([199, 523, 802, 442, 201, 0], 302),
    "2017-05-01T00:00:00Z": ([50, 638, 827, 493, 274, 45], 142),
    "2017-07-01T00:00:00Z": ([54, 643, 821, 509, 273, 93], 76),
    "2017-10-01T00:00:00Z": ([52, 689, 792, 495, 286, 132], 23),
    "2018-01-01T00:00:00Z": ([61, 660, 830, 494, 280, 144], 0),
}

TRANSITIONS = {
    (None, "new"): 2_469,
    ("new", "mature"): 1_006,
    ("new", "rising"): 1_313,
    ("new", "silent"): 472,
    ("rising", "mature"): 5_019,
    ("rising", "declining"): 10_548,
    ("rising", "silent"): 1_537,
    ("mature", "rising"): 3_817,
    ("mature", "declining"): 5_407,
    ("declining", "mature"): 3_999,
    ("declining", "rising"): 11_179,
    ("declining", "silent"): 1_673,
    ("silent", "rising"): 1_457,
    ("silent", "declining"): 1_414,
    ("silent", "churned"): 526,
    ("churned", "new"): 382,
}


def test_totals_of_the_year(reference: Reference) -> None:
    totals = reference.totals
    assert (totals.households, totals.baskets, totals.stores) == (2_469, 155_848, 457)
    assert totals.sales_cents == 459_603_958
    assert (totals.coupon_disc_cents, totals.coupon_match_disc_cents) == (2_635_990, 454_265)
    assert totals.zero_total_baskets == 478
    assert (round(totals.mean_basket_cents), totals.median_basket_cents) == (2_949, 1_750)


def test_months_are_new_york_months(reference: Reference) -> None:
    assert [astuple(month) for month in reference.months] == MONTHS


def test_audiences_of_the_campaigns(reference: Reference) -> None:
    sums = reference.campaign_sums
    assert (sums.campaigns, sums.targeted_pairs, sums.targeted_households) == (27, 6_589, 1_559)
    assert sums.pairs_issued_before_first_order == 165
    types = [campaign.campaign_type for campaign in reference.campaigns]
    assert [types.count(f"Type {letter}") for letter in "ABC"] == [4, 17, 6]
    assert sum(campaign.issued for campaign in reference.campaigns) == 6_589


def test_redemptions_of_the_campaigns_together(reference: Reference) -> None:
    sums = reference.campaign_sums
    assert (sums.redemptions, sums.redeeming_households, sums.coupon_upcs) == (2_102, 410, 491)
    assert (sums.redeemed_campaigns, sums.redeemed_pairs) == (26, 792)
    assert f"{sums.redeemed_pairs / sums.targeted_pairs:.2%}" == "12.02%"
    assert (sums.redeeming_baskets, sums.baskets_of_several_campaigns, sums.coupon_basket_pairs) == (1_107, 40, 1_148)
    assert sums.outside_campaign_or_audience == 0
    assert (sums.platform_cents, sums.merchant_cents, sums.sales_cents) == (407_676, 80_698, 10_708_103)


def test_each_campaign_that_the_page_names(reference: Reference) -> None:
    campaigns = {each.campaign_id: each for each in reference.campaigns}
    counts = {id_: (each.targeted, each.redeemers, each.redemptions) for id_, each in campaigns.items()}
    assert counts["18"] == (1_133, 214, 653)
    assert counts["13"] == (1_077, 196, 629)
    assert counts["8"] == (1_076, 158, 372)
    assert counts["27"] == (361, 36, 64)
    assert counts["24"] == (12, 0, 0)
    assert f"{campaigns['18'].redemption_rate:.2%}" == "18.89%"
    sales = {id_: (each.orders, each.sales_cents) for id_, each in campaigns.items()}
    assert sales["18"] == (333, 3_155_860)
    assert sales["13"] == (302, 2_725_282)
    assert sales["8"] == (233, 2_038_983)
    assert sales["27"] == (48, 379_283)


def test_discounts_are_divided_to_the_cent(reference: Reference) -> None:
    subsidy = {each.campaign_id: (each.platform_cents, each.merchant_cents) for each in reference.campaigns}
    assert subsidy["18"] == (114_674, 25_769)
    assert subsidy["13"] == (102_616, 20_070)
    assert subsidy["8"] == (80_133, 13_612)


def test_lifecycle_counts_at_the_instants_of_the_page(reference: Reference) -> None:
    order = ["new", "rising", "mature", "declining", "silent", "churned"]
    found = {c.at: ([c.counts[stage] for stage in order], c.no_stage) for c in reference.lifecycle.counts}
    assert found == STAGE_COUNTS


def test_stage_changes_until_the_last_tick(reference: Reference) -> None:
    lifecycle = reference.lifecycle
    assert lifecycle.stage_changes == 52_218
    assert (lifecycle.silent_entries, lifecycle.silent_customers, lifecycle.reacquired) == (3_682, 1_506, 382)
    assert {(each.from_stage, each.to_stage): each.count for each in lifecycle.transitions} == TRANSITIONS


def test_what_becomes_of_each_entry_into_silence(reference: Reference) -> None:
    recall = reference.recall
    assert (recall.entries, recall.cause_gone, recall.refused_ah2, recall.refused_ah1) == (3_682, 89, 59, 0)
    assert (recall.delivered, recall.customers, recall.ordered) == (3_534, 1_469, 1_510)
    assert (recall.matured, recall.matured_ordered) == (3_374, 1_476)


def test_the_reference_is_plain_json(reference: Reference) -> None:
    assert json.loads(json.dumps(reference.as_dict()))["totals"]["sales_cents"] == 459_603_958
