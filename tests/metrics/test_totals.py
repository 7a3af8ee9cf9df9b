"""The whole business: sales by period, stages, the overview."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.metrics.conftest import Desk
from tests.metrics.telling import campaign, day, decided, issued, paid, redeemed, refunded, staged, withheld


def periods(answer: dict) -> list[tuple[str, int, int, int]]:
    return [
        (each["starts_on"], each["orders"], each["active_customers"], each["sales"]["amount"])
        for each in answer["data"]
    ]


async def test_nothing_told_is_nothing_sold(desk: Desk) -> None:
    assert (await desk.get("/v1/metrics/sales"))["data"] == []
    found = await desk.get("/v1/metrics/overview")
    assert (found["orders"], found["shops"], found["sales"]) == (0, 0, [])
    assert found["customers"] == {"known": 0, "buyers": 0}
    assert found["redemption_rate"]["so_far"]["value"] is None
    assert (await desk.get("/v1/metrics/channels"))["data"] == []
    assert set((await desk.get("/v1/metrics/stages"))["counts"].values()) == {0}


async def test_an_order_belongs_to_the_local_day_it_was_paid_on(desk: Desk) -> None:
    """Both days on which New York changes its clocks; the first of the month begins at 05:00 or 04:00 UTC."""
    await desk.hear(
        paid("winter-last", datetime(2017, 3, 12, 4, 59, 59, 999_999, tzinfo=UTC), amount=1),
        paid("spring-first", datetime(2017, 3, 12, 5, 0, tzinfo=UTC), amount=10),
        paid("spring-last", datetime(2017, 3, 13, 3, 59, 59, tzinfo=UTC), amount=100),
        paid("summer-first", datetime(2017, 3, 13, 4, 0, tzinfo=UTC), "ben", amount=1000),
        paid("autumn-first", datetime(2017, 11, 5, 4, 0, tzinfo=UTC), amount=1),
        paid("autumn-last", datetime(2017, 11, 6, 4, 59, 59, tzinfo=UTC), amount=10),
        paid("winter-first", datetime(2017, 11, 6, 5, 0, tzinfo=UTC), amount=100),
    )
    by_day = await desk.get("/v1/metrics/sales", by="day", zone="America/New_York")
    assert periods(by_day) == [
        ("2017-03-11", 1, 1, 1),
        ("2017-03-12", 2, 1, 110),
        ("2017-03-13", 1, 1, 1000),
        ("2017-11-05", 2, 1, 11),
        ("2017-11-06", 1, 1, 100),
    ]
    by_week = await desk.get("/v1/metrics/sales", by="week", zone="America/New_York")
    assert periods(by_week) == [
        ("2017-03-06", 3, 1, 111),
        ("2017-03-13", 1, 1, 1000),
        ("2017-10-30", 2, 1, 11),
        ("2017-11-06", 1, 1, 100),
    ]
    by_month = await desk.get("/v1/metrics/sales", by="month", zone="America/New_York")
    assert periods(by_month) == [("2017-03-01", 4, 2, 1111), ("2017-11-01", 3, 1, 111)]
    assert by_month["data"][0]["aov"] == {"value": 1111 / 4, "numerator": 1111, "denominator": 4}


async def test_the_same_orders_fall_into_other_days_elsewhere(desk: Desk) -> None:
    await desk.hear(
        paid("o1", datetime(2017, 1, 1, 4, 59, tzinfo=UTC)), paid("o2", datetime(2017, 1, 1, 5, tzinfo=UTC))
    )
    assert [day for day, *_ in periods(await desk.get("/v1/metrics/sales", by="month"))] == ["2017-01-01"]
    found = await desk.get("/v1/metrics/sales", by="month", zone="America/New_York")
    assert [day for day, *_ in periods(found)] == ["2016-12-01", "2017-01-01"]


async def test_refunds_restate_the_period_in_which_the_order_was_paid(desk: Desk) -> None:
    await desk.hear(paid("o1", day(1)), paid("o2", day(1), "ben"), paid("o3", day(1), counted=False))
    await desk.hear(refunded("o1", day(1), 300))
    assert periods(await desk.get("/v1/metrics/sales")) == [("2026-03-02", 2, 2, 1700)]
    await desk.hear(refunded("o1", day(1), 1000, version=3))
    assert periods(await desk.get("/v1/metrics/sales")) == [("2026-03-02", 1, 1, 1000)]


async def test_from_and_to_are_half_open(desk: Desk) -> None:
    await desk.hear(*[paid(f"o{n}", day(n)) for n in range(4)])
    params = {"from": day(1).isoformat(), "to": day(3).isoformat()}
    assert [start for start, *_ in periods(await desk.get("/v1/metrics/sales", **params))] == [
        "2026-03-02",
        "2026-03-03",
    ]


async def test_currencies_are_never_added_up(desk: Desk) -> None:
    await desk.hear(paid("o1", day(1)), paid("o2", day(1), currency="EUR"))
    found = await desk.get("/v1/metrics/sales")
    assert [each["sales"] for each in found["data"]] == [
        {"amount": 1000, "currency": "EUR"},
        {"amount": 1000, "currency": "USD"},
    ]
    assert (await desk.get("/v1/metrics/overview"))["sales"] == [each["sales"] for each in found["data"]]


async def test_the_edges_of_the_calendar_and_of_numbers_answer_too(desk: Desk) -> None:
    huge = 2**53 - 1
    await desk.hear(
        paid("first", datetime(1, 1, 1, tzinfo=UTC), amount=huge),
        paid("last", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), amount=huge),
        *[paid(f"o{n}", day(n % 20), amount=huge) for n in range(2000)],
        *[redeemed(f"r{n}", f"o{n}", "a", platform=huge, merchant=huge) for n in range(2000)],
        *[campaign(), decided("a", day(3)), issued("a"), decided("z", datetime(9999, 12, 31, tzinfo=UTC), days=366)],
        *[decided("y", datetime(1, 1, 2, tzinfo=UTC), days=366), issued("y"), issued("z")],
    )
    await desk.tick(day(90))
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        assert (await desk.get("/v1/metrics/sales", by="month", zone=zone))["data"]
    found = await desk.campaign()
    assert found["sales"]["amount"] == found["subsidy"]["platform"]["amount"] == 2000 * huge
    assert (await desk.get("/v1/metrics/overview"))["sales"][0]["amount"] == 2002 * huge


async def test_a_key_of_a_shop_sees_the_sales_of_that_shop(desk: Desk) -> None:
    await desk.hear(paid("o1", day(1), shop_id="s1"), paid("o2", day(1), shop_id="s2", amount=7))
    http = await desk.client(shop_id="s2")
    assert periods((await http.get("/v1/metrics/sales")).json()) == [("2026-03-02", 1, 1, 7)]


async def test_the_stage_of_the_latest_tick_counts(desk: Desk) -> None:
    """MT15: told in any order; steps put into the past count nothing, and who has no stage any more is gone."""
    await desk.hear(staged("rising", day(2)), staged("new", day(1)), staged("mature", day(3), current=False))
    await desk.hear(staged("new", day(1), "ben"), staged("silent", day(40), "cleo"), staged("new", day(1), "cleo"))
    await desk.hear(staged("new", day(1), "dan"), staged(None, day(2), "dan"), staged("churned", day(1), model="youth"))
    await desk.tick(day(50))
    found = await desk.get("/v1/metrics/stages")
    assert datetime.fromisoformat(found["at"]) == day(50)
    assert found["counts"] == {
        "potential": 0,
        "new": 1,
        "rising": 1,
        "mature": 0,
        "declining": 0,
        "silent": 1,
        "churned": 0,
    }
    assert (await desk.get("/v1/metrics/stages", model="youth"))["counts"]["churned"] == 1


async def test_the_overview_adds_up_everything(desk: Desk) -> None:
    """MT13: the wake-up rate is the recall rate of the treated over all campaigns."""
    await desk.hear(
        *[campaign("c1"), campaign("c2", goal="revenue"), campaign("c3", status="draft")],
        *[decided("a"), issued("a"), paid("o1", day(1), shop_id="s1"), redeemed("r1", "o1", "a")],
        *[decided("b", customer="ben", campaign_id="c2"), issued("b", customer="ben", campaign_id="c2", valid_days=1)],
        *[decided("c", customer="cleo", arm="held_out"), withheld("c", customer="cleo")],
        *[paid("o2", day(2), "cleo", shop_id="s2"), paid("o3", day(2), "cleo", shop_id="s3", counted=False)],
        *[staged("new", day(1)), staged("new", day(2), "cleo"), staged("potential", day(1), "dan")],
    )
    await desk.tick(day(14))
    found = await desk.get("/v1/metrics/overview")
    assert datetime.fromisoformat(found.pop("at")) == day(14)
    half = {"value": 0.5, "numerator": 1, "denominator": 2}
    assert found == {
        "customers": {"known": 3, "buyers": 2},
        "shops": 2,
        "orders": 2,
        "sales": [{"amount": 2000, "currency": "USD"}],
        "coupons": {"issued": 2, "redeemed": 1, "expired": 1},
        "redemptions": 1,
        "redemption_rate": {"so_far": half, "matured": half},
        "campaigns": {"total": 3, "by_status": {"active": 2, "draft": 1}},
        "wake_up_rate": {"so_far": half, "matured": half},
    }


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1)])
async def test_the_wake_up_rate_matures_with_its_windows(desk: Desk, late: timedelta) -> None:
    await desk.hear(decided("a"), issued("a"), paid("o1", day(14)))
    await desk.tick(day(14) - late)
    found = (await desk.get("/v1/metrics/overview"))["wake_up_rate"]
    assert (found["so_far"]["numerator"], found["so_far"]["denominator"]) == (0, 1)
    assert found["matured"]["denominator"] == (0 if late else 1)
