"""Ticks answer decisions: AH5, AH1, AH2, CP8, CP9, CP10."""

from collections import Counter
from datetime import timedelta

import pytest

from services.coupons.actions import issuing
from services.coupons.domain import Discount, DiscountType, Limits, Validity, ValidityType
from shared.events.coupons import CouponIssued, CouponRefused, CouponWithheld
from tests.conftest import FreshDatabase
from tests.coupons.given import DAY, T0, add_template, answers, apply, decision, issue, tick
from tests.support.doing import IDS, rows, told

WEEK = 7 * DAY
MOMENT = timedelta(microseconds=1)


async def test_a_treated_decision_gives_one_coupon_however_often_it_is_told(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    made = decision(1, template_id)
    await apply(database, made, made)
    await apply(database, made)
    await tick(database, T0)
    await apply(database, made)
    await tick(database, T0 + DAY)
    [event] = await told(database)
    assert isinstance(event, CouponIssued)
    coupon = event.data
    assert (coupon.coupon_id, coupon.code) == (IDS.derive("cpn", "dec_1"), IDS.code("dec_1"))
    assert (coupon.issued_at, coupon.valid_from, coupon.valid_until) == (T0, T0, T0 + 30 * DAY)
    assert (coupon.channel, coupon.kind, coupon.uses, coupon.template_version) == ("push", "comeback", 1, 1)
    assert event.subject == "cus_anna"
    assert await rows(database, "SELECT code, used FROM coupons") == [{"code": coupon.code, "used": 0}]
    assert await rows(database, "SELECT issued FROM templates") == [{"issued": 1}]


async def test_nothing_is_issued_before_the_tick(fresh_database: FreshDatabase) -> None:
    """AH5: the last check is made at the tick, where all that came before it is known."""
    database = await fresh_database("coupons")
    await apply(database, decision(1, await add_template(database)))
    assert await told(database) == []
    assert await answers(database) == {"dec_1": None}


async def test_held_out_is_withheld_and_suppressed_asks_for_nothing(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(
        database,
        decision(1, template_id, arm="held_out", decided_at=T0 - MOMENT),
        decision(2, template_id, arm="suppressed", customer_id="cus_bob"),
    )
    await tick(database, T0)
    [event] = await told(database)
    assert isinstance(event, CouponWithheld)
    assert (event.data.arm, event.data.code, event.data.decided_at) == ("held_out", None, T0 - MOMENT)
    assert await rows(database, "SELECT 1 FROM coupons") == []
    assert await answers(database) == {"dec_1": "withheld"}


@pytest.mark.parametrize("arm", ["treated", "held_out"])
@pytest.mark.parametrize(
    ("later", "expected"), [(WEEK - MOMENT, "same-kind-too-soon"), (WEEK, "delivered"), (WEEK + DAY, "delivered")]
)
async def test_a_kind_is_delivered_once_in_seven_times_24_hours(
    fresh_database: FreshDatabase, arm: str, later: timedelta, expected: str
) -> None:
    """AH2, for both arms alike: the window is half-open, exactly seven days later is allowed again."""
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(database, decision(1, template_id, arm=arm))
    await tick(database, T0)
    await apply(database, decision(2, template_id, arm=arm))
    await tick(database, T0 + later)
    delivered = "issued" if arm == "treated" else "withheld"
    assert (await answers(database))["dec_2"] == expected.replace("delivered", delivered)
    [refused] = [each for each in await told(database) if isinstance(each, CouponRefused)] or [None]
    if expected != "delivered":
        assert refused is not None
        assert (refused.data.arm, refused.data.code) == (arm, expected)
    else:
        assert refused is None


@pytest.mark.parametrize("arm", ["treated", "held_out"])
async def test_a_coupon_of_any_campaign_keeps_its_kind_away_but_not_other_kinds(
    fresh_database: FreshDatabase, arm: str
) -> None:
    """AH2."""
    database = await fresh_database("coupons")
    one, other = await add_template(database), await add_template(database, kind="birthday")
    await apply(database, decision(1, one))
    await tick(database, T0)
    await apply(
        database,
        decision(2, one, campaign_id="c2", arm=arm),
        decision(3, other, campaign_id="c2", arm=arm),
    )
    await tick(database, T0 + DAY)
    found = await answers(database)
    assert found["dec_2"] == "same-kind-too-soon"
    assert found["dec_3"] == ("issued" if arm == "treated" else "withheld")


async def test_what_one_campaign_withheld_does_not_keep_another_away(fresh_database: FreshDatabase) -> None:
    """AH2: the customer got nothing; only the campaign's own arms must be treated alike."""
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(database, decision(1, template_id, arm="held_out"))
    await tick(database, T0)
    await apply(database, decision(2, template_id, campaign_id="c2"))
    await tick(database, T0 + DAY)
    assert await answers(database) == {"dec_1": "withheld", "dec_2": "issued"}


async def test_decisions_of_a_tick_are_ranked_by_cause_then_priority_then_campaign(
    fresh_database: FreshDatabase,
) -> None:
    """Of decisions for one kind only the first gets through, and AH2 sees it in the same tick."""
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(
        database,
        decision("late", template_id, campaign_id="c0", priority=9, caused_at=T0),
        decision("early", template_id, campaign_id="c9", caused_at=T0 - MOMENT),
        decision("b-low", template_id, customer_id="cus_bob", campaign_id="c1", priority=1),
        decision("b-high", template_id, customer_id="cus_bob", campaign_id="c2", priority=2),
        decision("e-2", template_id, customer_id="cus_eve", campaign_id="c2"),
        decision("e-1", template_id, customer_id="cus_eve", campaign_id="c1"),
    )
    await tick(database, T0)
    found = await answers(database)
    assert [each for each in sorted(found) if found[each] == "issued"] == ["dec_b-high", "dec_e-1", "dec_early"]
    assert Counter(found.values()) == {"issued": 3, "same-kind-too-soon": 3}


@pytest.mark.parametrize("arm", ["treated", "held_out"])
async def test_who_holds_five_unused_valid_coupons_gets_no_sixth(fresh_database: FreshDatabase, arm: str) -> None:
    """AH1, for both arms."""
    database = await fresh_database("coupons")
    for number in range(5):
        await issue(database, await add_template(database, kind=f"kind {number}"), number)
    await apply(database, decision("sixth", await add_template(database, kind="other"), arm=arm))
    await tick(database, T0 + DAY)
    assert (await answers(database))["dec_sixth"] == "possession-cap-reached"
    await apply(database, decision("seventh", await add_template(database, kind="other"), arm=arm))
    await tick(database, T0 + 30 * DAY)
    assert (await answers(database))["dec_seventh"] == ("issued" if arm == "treated" else "withheld")


async def test_used_and_not_yet_valid_coupons_are_not_held(fresh_database: FreshDatabase) -> None:
    """AH1 counts what has no standing redemption and is valid at the instant of the check."""
    database = await fresh_database("coupons")
    future = Validity(ValidityType.STATIC, starts_at=T0 + 2 * DAY, ends_at=T0 + 9 * DAY)
    await issue(database, await add_template(database, kind="future", validity=future), "future")
    for number in range(5):
        await issue(database, await add_template(database, kind=f"kind {number}"), number)
    async with database.transaction() as session:
        await session.driver.execute("UPDATE coupons SET used = 1 WHERE decision_id = 'dec_0'")
    await apply(database, decision("a", await add_template(database, kind="a")))
    await apply(database, decision("b", await add_template(database, kind="b"), caused_at=T0 + MOMENT))
    await tick(database, T0 + DAY)
    found = await answers(database)
    assert (found["dec_a"], found["dec_b"]) == ("issued", "possession-cap-reached")


async def test_within_one_tick_the_same_counts_as_from_tick_to_tick(fresh_database: FreshDatabase) -> None:
    """AH1, AH2: what another campaign withheld and what is not valid yet keep nobody away, in the same tick either."""
    database = await fresh_database("coupons")
    future = Validity(ValidityType.STATIC, starts_at=T0 + DAY, ends_at=T0 + 9 * DAY)
    later = [await add_template(database, kind=f"later {number}", validity=future) for number in range(6)]
    now = [await add_template(database, kind=f"now {number}") for number in range(6)]
    await apply(
        database,
        *(decision(f"later {number}", each, campaign_id=f"a{number}") for number, each in enumerate(later)),
        *(decision(f"now {number}", each, campaign_id=f"b{number}") for number, each in enumerate(now)),
        decision("held", now[0], customer_id="cus_bob", arm="held_out"),
        decision("other", now[0], customer_id="cus_bob", campaign_id="c2"),
        decision("held again", now[0], customer_id="cus_bob", arm="held_out", caused_at=T0 + MOMENT),
    )
    await tick(database, T0)
    found = await answers(database)
    assert {found.pop(f"dec_later {number}") for number in range(6)} == {"issued"}
    assert {found.pop(f"dec_now {number}") for number in range(5)} == {"issued"}
    assert found == {
        "dec_now 5": "possession-cap-reached",
        "dec_held": "withheld",
        "dec_other": "issued",
        "dec_held again": "same-kind-too-soon",
    }


async def test_an_exempt_campaign_passes_and_its_coupons_count_for_the_others(fresh_database: FreshDatabase) -> None:
    """AH1, AH2: `anti_harassment: off`."""
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(
        database,
        *(decision(number, template_id, campaign_id=f"c{number}", anti_harassment=False) for number in range(6)),
    )
    await tick(database, T0)
    await apply(
        database,
        decision("same", template_id, campaign_id="x"),
        decision("other", await add_template(database, kind="other"), campaign_id="x"),
    )
    await tick(database, T0 + DAY)
    found = await answers(database)
    assert [found[f"dec_{number}"] for number in range(6)] == ["issued"] * 6
    assert (found["dec_same"], found["dec_other"]) == ("same-kind-too-soon", "possession-cap-reached")


async def test_the_caps_are_settings(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    one, other = await add_template(database), await add_template(database, kind="other")
    limits = Limits(possession_cap=1, same_kind_window=DAY)
    await apply(database, decision(1, one))
    await tick(database, T0, limits)
    await apply(database, decision(2, other), decision(3, one, caused_at=T0 + MOMENT))
    await tick(database, T0 + DAY, limits)
    assert await answers(database) == {
        "dec_1": "issued",
        "dec_2": "possession-cap-reached",
        "dec_3": "possession-cap-reached",
    }


@pytest.mark.parametrize("arm", ["treated", "held_out"])
async def test_a_campaign_gives_a_customer_no_more_than_its_limit(fresh_database: FreshDatabase, arm: str) -> None:
    """CP8, for both arms."""
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    common = {"arm": arm, "anti_harassment": False, "limit_per_customer": 2}
    for number in range(3):
        await apply(database, decision(number, template_id, **common))
        await tick(database, T0 + number * DAY)
    await apply(database, decision("other", template_id, campaign_id="c2", **common))
    await tick(database, T0 + 4 * DAY)
    delivered = "issued" if arm == "treated" else "withheld"
    assert await answers(database) == {
        "dec_0": delivered,
        "dec_1": delivered,
        "dec_2": "customer-limit-exceeded",
        "dec_other": delivered,
    }


async def test_a_limit_of_nothing_allows_nothing(fresh_database: FreshDatabase) -> None:
    """CP8: 0 is none allowed, absent is no cap."""
    database = await fresh_database("coupons")
    await apply(database, decision(1, await add_template(database), limit_per_customer=0))
    await tick(database, T0)
    assert await answers(database) == {"dec_1": "customer-limit-exceeded"}


async def test_no_more_is_issued_than_the_quantity(fresh_database: FreshDatabase) -> None:
    """P3, I3: also when one tick asks for more than is left."""
    database = await fresh_database("coupons")
    template_id = await add_template(database, quantity=3)
    await apply(
        database,
        *(decision(number, template_id, customer_id=f"cus_{number}") for number in range(5)),
        decision("held", template_id, customer_id="cus_9", arm="held_out"),
    )
    await tick(database, T0)
    found = await answers(database)
    assert [found[f"dec_{number}"] for number in range(5)] == ["issued"] * 3 + ["quantity-exceeded"] * 2
    assert found["dec_held"] == "quantity-exceeded"
    assert await rows(database, "SELECT issued FROM templates") == [{"issued": 3}]


async def test_a_template_must_exist_and_be_open(fresh_database: FreshDatabase) -> None:
    """CP9."""
    database = await fresh_database("coupons")
    closed = await add_template(database, ends_at=T0)
    future = await add_template(database, starts_at=T0 + MOMENT)
    archived = await add_template(database)
    async with database.transaction() as session:
        await session.driver.execute("UPDATE templates SET archived_at = $2 WHERE template_id = $1", archived, T0)
    for number, template_id in enumerate([closed, future, archived, "tpl_unknown"]):
        await apply(database, decision(number, template_id))
    await tick(database, T0)
    assert list((await answers(database)).values()) == [
        "template-not-active",
        "template-not-active",
        "template-not-found",
        "template-not-found",
    ]


async def test_chunks_change_nothing(fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a chunk ends, no customer's decisions are parted, and the answers are those of one big chunk."""
    found: list[dict[str, str]] = []
    for chunk in (5_000, 7):
        monkeypatch.setattr(issuing, "CHUNK", chunk)
        database = await fresh_database("coupons")
        # The templates' ids are drawn: only the decisions' must be the same.
        templates = [await add_template(database, kind=f"kind {number % 3}", quantity=60) for number in range(4)]
        await apply(
            database,
            *(
                decision(
                    number,
                    templates[number % 4],
                    customer_id=f"cus_{number % 17}",
                    campaign_id=f"c{number % 5}",
                    arm="treated" if number % 5 else "held_out",
                    priority=number % 3,
                    caused_at=T0 - timedelta(hours=number % 7),
                )
                for number in range(200)
            ),
        )
        await tick(database, T0)
        found.append(await answers(database))
    assert found[0] == found[1]
    assert set(found[0].values()) >= {"issued", "withheld", "same-kind-too-soon"}


async def test_twelve_thousand_decisions_at_one_tick_are_each_answered_once(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await apply(
        database,
        *(
            decision(number, template_id, customer_id=f"cus_{number:05}", arm="treated" if number % 10 else "held_out")
            for number in range(12_000)
        ),
    )
    await tick(database, T0)
    events = await told(database)
    assert Counter(type(each) for each in events) == {CouponIssued: 10_800, CouponWithheld: 1_200}
    assert len({each.id for each in events}) == 12_000
    assert len({each.data.code for each in events if isinstance(each, CouponIssued)}) == 10_800
    [row] = await rows(database, "SELECT count(*) AS n, count(DISTINCT decision_id) AS once FROM coupons")
    assert row == {"n": 10_800, "once": 10_800}


async def test_killed_between_two_chunks_it_goes_on_with_the_rest(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await fresh_database("coupons")
    template_id = await add_template(database, quantity=25)
    await apply(database, *(decision(number, template_id, customer_id=f"cus_{number:02}") for number in range(30)))
    monkeypatch.setattr(issuing, "CHUNK", 10)
    calls = 0
    issued = issuing.telling.issued

    def fail_in_the_second_chunk(coupon: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 15:
            raise ConnectionError("killed")
        return issued(coupon)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(issuing.telling, "issued", fail_in_the_second_chunk)
    with pytest.raises(ConnectionError):
        await tick(database, T0)
    assert len(await rows(database, "SELECT 1 FROM coupons")) == 10
    monkeypatch.setattr(issuing.telling, "issued", issued)
    await tick(database, T0)
    events = await told(database)
    assert Counter(type(each) for each in events) == {CouponIssued: 25, CouponRefused: 5}
    assert len({each.id for each in events}) == 30
    assert await rows(database, "SELECT issued FROM templates") == [{"issued": 25}]


async def test_a_changed_template_is_issued_in_its_new_version(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("coupons")
    template_id = await add_template(database)
    await issue(database, template_id, 1)
    async with database.transaction() as session:
        from services.coupons import actions  # noqa: PLC0415

        discount = Discount(DiscountType.AMOUNT_OFF, "USD", amount=900)
        await actions.change_template(session, template_id, {"discount": discount, "uses": None}, T0)
    await issue(database, template_id, 2)
    found = await rows(database, "SELECT template_version, uses FROM coupons ORDER BY decision_id")
    assert found == [{"template_version": 1, "uses": 1}, {"template_version": 2, "uses": None}]
