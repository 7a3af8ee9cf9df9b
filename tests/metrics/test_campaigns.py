"""A campaign in figures: what it cost, what it brought, and that figures follow the facts."""

from datetime import timedelta

import pytest

from tests.metrics.conftest import Desk
from tests.metrics.telling import (
    T0,
    campaign,
    day,
    decided,
    issued,
    paid,
    redeemed,
    refunded,
    refused,
    rolled_back,
    visited,
    withheld,
)


def rate(numerator: int, denominator: int) -> dict[str, float | int | None]:
    return {
        "value": numerator / denominator if denominator else None,
        "numerator": numerator,
        "denominator": denominator,
    }


async def test_a_campaign_without_decisions_answers_with_zeros_and_no_rates(desk: Desk) -> None:
    await desk.hear(campaign())
    found = await desk.campaign()
    assert (found["audience"], found["issued"], found["suppressed"], found["by_channel"]) == (0, 0, {}, [])
    assert found["redemption_rate"] == {"so_far": rate(0, 0), "matured": rate(0, 0)}
    assert found["sales"] == {"amount": 0, "currency": None}
    assert found["lift"]["estimate"] is None
    assert found["reach"] is None


async def test_every_decision_is_in_exactly_one_arm(desk: Desk) -> None:
    await desk.hear(
        campaign(),
        decided("a"),
        decided("b"),
        decided("c", arm="held_out"),
        decided("d", arm="suppressed", reasons=["cause-gone", "other"]),
        decided("e"),
        decided("f"),
        issued("a"),
        issued("b"),
        withheld("c"),
        refused("e", code="same-kind"),
    )
    found = await desk.campaign()
    assert (found["audience"], found["treated"], found["held_out"], found["pending"]) == (6, 2, 1, 1)
    assert found["suppressed"] == {"cause-gone": 1, "same-kind": 1}
    assert found["issued"] == 2


async def test_a_coupon_used_often_is_one_coupon_and_each_order_counts_once(desk: Desk) -> None:
    """MT2, MT3."""
    await desk.hear(campaign(), decided("a"), issued("a"), decided("b", customer="ben"), issued("b", customer="ben"))
    await desk.hear(paid("o1", day(1), amount=5000), paid("o2", day(2), amount=700))
    await desk.hear(redeemed("r1", "o1", "a"), redeemed("r2", "o1", "a"), redeemed("r3", "o2", "a"))
    found = await desk.campaign()
    assert (found["redeemers"], found["redemptions"], found["orders"]) == (1, 3, 2)
    assert found["redemption_rate"]["so_far"] == rate(1, 2)
    assert found["sales"] == {"amount": 5700, "currency": "USD"}
    assert found["subsidy"]["platform"] == {"amount": 210, "currency": "USD"}
    assert found["subsidy"]["merchant"] == {"amount": 90, "currency": "USD"}


async def test_a_refund_restates_sales_and_a_full_refund_takes_the_order_out(desk: Desk) -> None:
    """MT2, MT8."""
    await desk.hear(campaign(), decided("a"), issued("a"), paid("o1", day(1)), redeemed("r1", "o1", "a"))
    await desk.hear(refunded("o1", day(1), 400))
    found = await desk.campaign()
    assert found["sales"]["amount"] == 600
    assert found["recall"]["treated"]["so_far"] == rate(1, 1)
    await desk.hear(refunded("o1", day(1), 1000, version=3))
    found = await desk.campaign()
    assert found["sales"]["amount"] == 0
    assert found["recall"]["treated"]["so_far"] == rate(0, 1)
    assert found["new_buyers"] == 0


async def test_an_older_version_of_an_order_changes_nothing(desk: Desk) -> None:
    await desk.hear(campaign(), decided("a"), issued("a"), redeemed("r1", "o1", "a"))
    await desk.hear(refunded("o1", day(1), 400, version=7))
    await desk.hear(paid("o1", day(1), version=6), paid("o1", day(1), version=7))
    assert (await desk.campaign())["sales"]["amount"] == 600


@pytest.mark.parametrize("first", ["redeemed", "rolled back", "together"])
async def test_a_rolled_back_redemption_never_stands_again(desk: Desk, first: str) -> None:
    """MT1, MT3: whichever is heard first, and the same use may be redeemed anew."""
    told = [redeemed("r1", "o1", "a"), rolled_back("r1", "o1", "a")]
    await desk.hear(campaign(), decided("a"), issued("a"), paid("o1", day(1)))
    for batch in {"redeemed": [told[:1], told[1:]], "rolled back": [told[1:], told[:1]], "together": [told]}[first]:
        await desk.hear(*batch)
    found = await desk.campaign()
    assert (found["redemptions"], found["redeemers"], found["orders"], found["sales"]["amount"]) == (0, 0, 0, 0)
    assert found["redemption_rate"]["so_far"] == rate(0, 1)
    await desk.hear(redeemed("r1-again", "o1", "a"), *told)
    found = await desk.campaign()
    assert (found["redemptions"], found["sales"]["amount"], found["subsidy"]["platform"]["amount"]) == (1, 1000, 70)


async def test_the_matured_redemption_rate_holds_what_can_no_longer_change(desk: Desk) -> None:
    """MT3: redeemed or expired; a coupon is valid until the instant `valid_until`, exclusive."""
    await desk.hear(campaign(), decided("a"), decided("b"), decided("c"))
    await desk.hear(issued("a", valid_days=30), issued("b", valid_days=10), issued("c", valid_days=10))
    await desk.hear(redeemed("r1", "o1", "a"))
    await desk.tick(day(10) - timedelta(microseconds=1))
    assert (await desk.campaign())["redemption_rate"] == {"so_far": rate(1, 3), "matured": rate(1, 1)}
    await desk.tick(day(10))
    found = await desk.campaign()
    assert found["redemption_rate"] == {"so_far": rate(1, 3), "matured": rate(1, 3)}
    assert found["expired"] == 2


async def test_the_attribution_window_is_half_open(desk: Desk) -> None:
    """MT8: an order at the tick of the decision counts, one at the window's end does not."""
    instants = {"before": T0 - timedelta(microseconds=1), "start": T0, "last": day(14) - timedelta(microseconds=1)}
    await desk.hear(campaign())
    for customer, at in (instants | {"end": day(14)}).items():
        await desk.hear(decided(customer, customer=customer), issued(customer, customer=customer))
        await desk.hear(paid(f"o-{customer}", at, customer))
    await desk.hear(decided("early", day(-30), "eve"), issued("early", customer="eve"))
    await desk.hear(decided("late", day(30), "eve"), issued("late", customer="eve"))
    assert (await desk.campaign())["recall"]["treated"]["so_far"] == rate(2, 6)


async def test_a_window_has_closed_when_the_clock_reaches_its_end(desk: Desk) -> None:
    """MT8 matured."""
    await desk.hear(campaign(), decided("a"), issued("a"), paid("o1", day(1)))
    await desk.hear(decided("b", day(2), "ben"), issued("b", customer="ben"))
    await desk.tick(day(14) - timedelta(microseconds=1))
    assert (await desk.campaign())["recall"]["treated"] == {"so_far": rate(1, 2), "matured": rate(0, 0)}
    await desk.tick(day(14))
    assert (await desk.campaign())["recall"]["treated"] == {"so_far": rate(1, 2), "matured": rate(1, 1)}
    await desk.tick(day(16))
    assert (await desk.campaign())["recall"]["treated"]["matured"] == rate(1, 2)


async def test_recall_is_counted_by_delivery_and_by_the_frozen_stage(desk: Desk) -> None:
    """MT8: two deliveries to one customer are two; who was not silent or churned at the tick is left out."""
    await desk.hear(
        campaign(),
        *[decided("a1"), issued("a1"), decided("a2", day(40)), issued("a2"), paid("o1", day(41))],
        *[decided("b", customer="ben", stage="rising"), issued("b", customer="ben"), paid("o2", day(1), "ben")],
        *[decided("c", customer="cleo", stage="churned", arm="held_out"), withheld("c", customer="cleo")],
        *[decided("d", customer="dan", stage=None), issued("d", customer="dan")],
    )
    found = (await desk.campaign())["recall"]
    assert found["treated"]["so_far"] == rate(1, 2)
    assert found["held_out"]["so_far"] == rate(0, 1)


async def test_what_was_suppressed_has_a_recall_rate_too_by_reason(desk: Desk) -> None:
    """MT8."""
    await desk.hear(
        campaign(),
        *[decided("a"), refused("a", code="same-kind"), paid("o1", day(1))],
        *[decided("b", customer="ben", arm="suppressed", reasons=["cause-gone"])],
    )
    found = (await desk.campaign())["recall"]
    assert found["suppressed"]["so_far"] == rate(1, 2)
    assert found["suppressed_by_reason"]["same-kind"]["so_far"] == rate(1, 1)
    assert found["suppressed_by_reason"]["cause-gone"]["so_far"] == rate(0, 1)


async def test_lift_compares_customers_by_their_first_delivery(desk: Desk) -> None:
    """Section 15, incremental: a second delivery adds neither a customer nor an order."""
    await desk.hear(campaign())
    for number in range(10):
        customer = f"t{number}"
        await desk.hear(decided(customer, customer=customer), issued(customer, customer=customer))
        await desk.hear(decided(f"{customer}-2", day(30), customer), issued(f"{customer}-2", customer=customer))
        await desk.hear(paid(f"late-{customer}", day(31), customer))
        if number < 9:
            await desk.hear(paid(f"o-{customer}", day(1), customer))
    for number in range(10):
        customer = f"h{number}"
        await desk.hear(decided(customer, customer=customer, arm="held_out"), withheld(customer, customer=customer))
        if number < 3:
            await desk.hear(paid(f"o-{customer}", day(1), customer))
    await desk.tick(day(50))
    found = (await desk.campaign())["lift"]
    assert (found["treated"], found["held_out"]) == (rate(9, 10), rate(3, 10))
    assert found["estimate"] == pytest.approx(0.6)
    assert (found["low"], found["high"]) == (pytest.approx(0.1705, abs=5e-5), pytest.approx(0.8090, abs=5e-5))
    assert found["p_value"] == pytest.approx(0.0062, abs=5e-5)
    revenue = (await desk.campaign())["revenue_lift"]
    assert (revenue["treated"], revenue["held_out"], revenue["estimate"]) == (900, 300, 600)
    assert revenue["low"] < 600 < revenue["high"]


async def test_refused_and_suppressed_customers_are_in_neither_arm_of_the_lift(desk: Desk) -> None:
    await desk.hear(campaign(), decided("a"), refused("a"), decided("b", customer="ben", arm="suppressed"))
    found = (await desk.campaign())["lift"]
    assert (found["treated"], found["held_out"], found["estimate"]) == (rate(0, 0), rate(0, 0), None)


async def test_order_values_before_and_after_are_of_windows_of_equal_length(desk: Desk) -> None:
    """MT4: the window, or as much of it as has passed."""
    await desk.hear(campaign(), decided("a"), issued("a"), decided("b", customer="ben"), issued("b", customer="ben"))
    await desk.hear(
        paid("a-1", day(-10), amount=100),
        paid("a-2", day(-3), amount=300),
        paid("a-3", day(1), amount=1000),
        paid("a-4", day(4) - timedelta(microseconds=1), amount=2000),
        paid("b-1", day(-4), "ben", amount=900),
        paid("b-2", day(2), "ben", amount=4000),
        paid("b-3", day(-15), "ben", amount=7777),
    )
    await desk.tick(day(4))
    aov = (await desk.campaign())["aov"]
    assert aov["before"] == rate(1200, 2)
    assert aov["after"] == rate(7000, 3)
    assert aov["per_customer"]["after"] == {"value": 2750, "customers": 2}
    await desk.tick(day(20))
    aov = (await desk.campaign())["aov"]
    assert aov["before"] == rate(1300, 3)
    assert aov["per_customer"]["before"] == {"value": 550, "customers": 2}


async def test_new_buyers_had_no_order_at_all_before(desk: Desk) -> None:
    """MT6: who comes back after churn is no new buyer."""
    await desk.hear(
        campaign(),
        *[decided("a", stage="potential"), issued("a"), paid("a-1", day(1)), paid("a-2", day(2))],
        *[decided("b", customer="ben", stage="churned"), issued("b", customer="ben")],
        *[paid("b-1", day(-200), "ben"), paid("b-2", day(1), "ben")],
        *[decided("c", customer="cleo", arm="held_out"), withheld("c", customer="cleo"), paid("c-1", day(1), "cleo")],
    )
    assert (await desk.campaign())["new_buyers"] == 1


async def test_reach_counts_customers_who_came_within_the_window(desk: Desk) -> None:
    """MT9, MT6: held-out customers were not delivered to."""
    await desk.hear(
        campaign(),
        *[decided("a"), issued("a"), decided("a2", day(1)), issued("a2"), visited(day(2)), visited(day(3))],
        *[decided("b", customer="ben"), issued("b", customer="ben"), visited(day(14), "ben")],
        *[
            decided("c", day(5), "cleo"),
            issued("c", customer="cleo"),
            visited(day(-9), "cleo"),
            visited(day(6), "cleo"),
        ],
        *[decided("d", customer="dan", arm="held_out"), withheld("d", customer="dan"), visited(day(1), "dan")],
    )
    await desk.tick(day(14))
    found = await desk.campaign()
    assert found["reach"] == {"so_far": rate(2, 3), "matured": rate(1, 2)}
    assert found["new_visitors"] == 1


async def test_by_channel_says_what_each_channel_code_brought(desk: Desk) -> None:
    """AN5, CP14."""
    await desk.hear(campaign(), decided("a"), decided("b"), decided("c"), paid("o1", day(1)), paid("o2", day(1)))
    await desk.hear(issued("a"), issued("b", channel="sms", valid_days=1), issued("c", channel="sms"))
    await desk.hear(redeemed("r1", "o1", "a"), redeemed("r2", "o1", "c", channel="sms"))
    await desk.hear(redeemed("r3", "o2", "c", channel="sms", platform=1, merchant=2))
    await desk.tick(day(2))
    push, sms = (await desk.campaign())["by_channel"]
    assert (push["channel"], push["issued"], push["redemptions"], push["sales"]["amount"]) == ("push", 1, 1, 1000)
    assert (sms["channel"], sms["issued"], sms["redemptions"], sms["expired"]) == ("sms", 2, 2, 1)
    assert (sms["sales"]["amount"], sms["orders"], sms["subsidy"]["merchant"]["amount"]) == (2000, 2, 32)
    assert sms["redemption_rate"] == {"so_far": rate(1, 2), "matured": rate(1, 2)}
    everywhere = await desk.get("/v1/metrics/channels")
    assert everywhere["data"] == [push, sms]


async def test_amounts_of_a_second_currency_stand_apart(desk: Desk) -> None:
    await desk.hear(
        campaign(), decided("a"), issued("a"), paid("o1", day(1)), paid("o2", day(1), currency="EUR", amount=5)
    )
    await desk.hear(redeemed("r1", "o1", "a"), redeemed("r2", "o1", "a"), redeemed("r3", "o2", "a", currency="EUR"))
    found = await desk.campaign()
    assert (found["currency"], found["sales"], found["orders"]) == ("USD", {"amount": 1000, "currency": "USD"}, 2)
    assert found["other_currencies"] == [
        {
            "currency": "EUR",
            "sales": {"amount": 5, "currency": "EUR"},
            "subsidy": {"platform": {"amount": 70, "currency": "EUR"}, "merchant": {"amount": 30, "currency": "EUR"}},
        }
    ]


async def test_a_campaign_known_from_its_decisions_alone_answers_until_it_tells_of_itself(desk: Desk) -> None:
    await desk.hear(decided("a", goal="revenue", days=7))
    found = await desk.campaign()
    assert (found["name"], found["status"], found["goal"], found["audience"]) == (None, None, "revenue", 1)
    await desk.hear(campaign(version=0, name="Come back"))
    await desk.hear(decided("b", goal="revenue"))
    found = await desk.campaign()
    assert (found["name"], found["goal"], found["audience"]) == ("Come back", "recall", 2)


async def test_the_highest_version_of_a_campaign_wins(desk: Desk) -> None:
    await desk.hear(campaign(version=5, name="five"), campaign(version=3, name="three"))
    await desk.hear(campaign(version=4, name="four"))
    assert (await desk.campaign())["name"] == "five"


async def test_the_list_of_campaigns_agrees_with_each_of_them(desk: Desk) -> None:
    for number in range(5):
        name = f"c{number}"
        await desk.hear(campaign(name), decided(f"d{number}", campaign_id=name), issued(f"d{number}", campaign_id=name))
    await desk.hear(redeemed("r1", "o1", "d2", campaign_id="c2"), redeemed("r2", "o2", "d2", campaign_id="c2"))
    first = await desk.get("/v1/metrics/campaigns", limit=3)
    rest = await desk.get("/v1/metrics/campaigns", limit=3, cursor=first["next_cursor"])
    assert [line["campaign_id"] for line in first["data"] + rest["data"]] == ["c0", "c1", "c2", "c3", "c4"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    for line in first["data"] + rest["data"]:
        alone = await desk.campaign(line["campaign_id"])
        assert line == {name: alone[name] for name in line}


async def test_a_deleted_draft_is_gone(desk: Desk) -> None:
    await desk.hear(campaign(), campaign(version=2, status="deleted"))
    assert (await desk.http.get("/v1/campaigns/c1/metrics")).status_code == 404
    assert (await desk.get("/v1/metrics/campaigns"))["data"] == []
