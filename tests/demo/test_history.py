"""What the replay sends is what the reference counts: two readings of the same files by two ways agree."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from itertools import pairwise

from demo.history import LAST_TICK_US, Basket, History, instant
from demo.reference import Reference


def test_orders_agree_with_the_reference(history: History, reference: Reference) -> None:
    baskets, totals = list(history.baskets()), reference.totals
    assert len(baskets) == len({basket.basket_id for basket in baskets}) == totals.baskets
    assert len({basket.store_id for basket in baskets}) == totals.stores
    assert sum(basket.total_cents for basket in baskets) == totals.sales_cents
    assert sum(basket.total_cents == 0 for basket in baskets) == totals.zero_total_baskets
    assert sum(basket.platform_cents for basket in baskets) == totals.coupon_disc_cents
    assert sum(basket.merchant_cents for basket in baskets) == totals.coupon_match_disc_cents


def test_every_household_is_known(history: History, reference: Reference) -> None:
    assert len(history.households) == len(set(history.households)) == reference.totals.households
    assert {basket.household_id for basket in history.baskets()} <= set(history.households)
    assert all(set(campaign.households) <= set(history.households) for campaign in history.campaigns)


def test_days_are_new_york_days(history: History, reference: Reference) -> None:
    months: defaultdict[str, list[Basket]] = defaultdict(list)
    for day in history.days:
        months[f"{day.day:%Y-%m}"] += day.baskets
    for month in reference.months:
        found = months[month.month]
        households = len({basket.household_id for basket in found})
        assert (len(found), households) == (month.baskets, month.households)
        assert sum(basket.total_cents for basket in found) == month.sales_cents


def test_a_day_holds_its_orders_in_order(history: History) -> None:
    ends = [*(day.opens_us for day in history.days[1:]), LAST_TICK_US]
    for day, end in zip(history.days, ends, strict=True):
        times = [basket.at_us for basket in day.baskets]
        assert times == sorted(times)
        assert all(day.opens_us < at_us < end for at_us in times)
        assert {use.basket_id for use in day.redemptions} <= {basket.basket_id for basket in day.baskets}


def test_ticks_open_each_new_york_day(history: History) -> None:
    ticks = [instant(tick) for tick in history.ticks_us]
    assert len(ticks) == len(history.days) + 2 == 416
    assert ticks[:2] == [datetime(2016, 11, 14, tzinfo=UTC), datetime(2016, 11, 14, 5, tzinfo=UTC)]
    assert ticks[-2:] == [datetime(2018, 1, 1, 5, tzinfo=UTC), datetime(2018, 1, 2, tzinfo=UTC)]
    assert datetime(2017, 7, 4, 4, tzinfo=UTC) in ticks
    hours = {day.day: (after.opens_us - day.opens_us) // 3_600_000_000 for day, after in pairwise(history.days)}
    assert {day: long for day, long in hours.items() if long != 24} == {date(2017, 3, 12): 23, date(2017, 11, 5): 25}


def test_campaigns_agree_with_the_reference(history: History, reference: Reference) -> None:
    found = [(each.campaign_id, each.campaign_type, len(each.households)) for each in history.campaigns]
    assert found == [(each.campaign_id, each.campaign_type, each.targeted) for each in reference.campaigns]
    eighteen = next(each for each in history.campaigns if each.campaign_id == "18")
    assert instant(eighteen.starts_us) == datetime(2017, 10, 30, 4, tzinfo=UTC)
    assert instant(eighteen.ends_us) == datetime(2017, 12, 25, 5, tzinfo=UTC)


def test_redemptions_agree_with_the_reference(history: History, reference: Reference) -> None:
    totals = {basket.basket_id: basket.total_cents for basket in history.baskets()}
    for campaign in reference.campaigns:
        uses = [use for use in history.redemptions() if use.campaign_id == campaign.campaign_id]
        baskets = {use.basket_id for use in uses}
        assert (len(uses), len({use.household_id for use in uses})) == (campaign.redemptions, campaign.redeemers)
        assert (len(baskets), sum(totals[id_] for id_ in baskets)) == (campaign.orders, campaign.sales_cents)
        assert sum(use.platform_cents for use in uses) == campaign.platform_cents
        assert sum(use.merchant_cents for use in uses) == campaign.merchant_cents


def test_each_redemption_is_the_household_s_own_and_in_time(history: History) -> None:
    campaigns = {each.campaign_id: each for each in history.campaigns}
    baskets = {basket.basket_id: basket for basket in history.baskets()}
    for use in history.redemptions():
        campaign, basket = campaigns[use.campaign_id], baskets[use.basket_id]
        assert campaign.starts_us <= use.at_us < campaign.ends_us
        assert use.household_id in campaign.households
        assert (use.household_id, use.at_us) == (basket.household_id, basket.at_us)


def test_the_discount_of_a_basket_is_divided_without_loss(history: History) -> None:
    shares: Counter[str] = Counter()
    for use in history.redemptions():
        shares[use.basket_id] += use.platform_cents + use.merchant_cents
    given = {basket.basket_id: basket.platform_cents + basket.merchant_cents for basket in history.baskets()}
    assert all(given[basket_id] == cents for basket_id, cents in shares.items())


def test_odd_cents_go_to_the_first_in_order_of_campaign_and_coupon(history: History) -> None:
    by_basket: defaultdict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
    for use in history.redemptions():
        order = (int(use.campaign_id), int(use.coupon_upc), use.platform_cents, use.merchant_cents)
        by_basket[use.basket_id].append(order)
    for uses in by_basket.values():
        assert uses == sorted(uses)
        for cents in (2, 3):
            given = [use[cents] for use in uses]
            assert given == sorted(given, reverse=True)
            assert max(given) - min(given) <= 1


def test_a_redemption_has_a_key_of_its_own(history: History) -> None:
    uses = [(use.campaign_id, use.household_id, use.basket_id, use.coupon_upc) for use in history.redemptions()]
    assert len(set(uses)) == len(uses) == 2_102
    assert len({use[:3] for use in uses}) == 1_148
