"""Money and times as they stand in cells, and what of them is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tools.importing.cells import Cells
from tools.importing.options import Money, Options, Twice, parse_zone
from tools.importing.problems import BadRow, Unclear

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def amount(text: Any, money: Money, currency: str) -> int:
    return Cells(Options(NOW, money=money), {}).fill({"total": text}).money("total", currency)


@pytest.mark.parametrize(
    ("text", "money", "currency", "minor"),
    [
        ("12.5", Money.POINT, "EUR", 1250),
        ("1,234.56", Money.POINT, "EUR", 123_456),
        ("1,234", Money.POINT, "EUR", 123_400),
        ("1.234,56", Money.COMMA, "EUR", 123_456),
        ("1\u00a0234,5", Money.COMMA, "EUR", 123_450),
        ("1.234", Money.COMMA, "EUR", 123_400),
        ("1234", Money.MINOR, "EUR", 1234),
        ("1234", Money.COMMA, "JPY", 1234),
        ("1.234", Money.POINT, "KWD", 1234),
        (29.490000000000002, Money.POINT, "EUR", 2949),
        (7, Money.POINT, "EUR", 700),
    ],
)
def test_money_is_read_as_it_was_said_to_be_written(text: Any, money: Money, currency: str, minor: int) -> None:
    assert amount(text, money, currency) == minor


@pytest.mark.parametrize(
    ("text", "money", "currency"),
    [
        ("12,50", Money.POINT, "EUR"),
        ("12.50", Money.COMMA, "EUR"),
        ("12.50", Money.MINOR, "EUR"),
        ("1,23,456", Money.POINT, "EUR"),
        ("12.505", Money.POINT, "EUR"),
        ("12.5", Money.POINT, "JPY"),
        ("€ 12.50", Money.POINT, "EUR"),
        ("1e3", Money.POINT, "EUR"),
        ("-1.00", Money.POINT, "EUR"),
        ("90071992547409.92", Money.POINT, "EUR"),
        ("9" * 400, Money.MINOR, "EUR"),
        (12.505, Money.POINT, "EUR"),
        (float("inf"), Money.POINT, "EUR"),
        (-1, Money.POINT, "EUR"),
        (True, Money.POINT, "EUR"),
        ("", Money.POINT, "EUR"),
    ],
)
def test_what_is_no_amount_of_its_currency_is_refused(text: Any, money: Money, currency: str) -> None:
    """Row 52 of the fault list"""
    with pytest.raises(BadRow):
        amount(text, money, currency)


def instant(text: Any, zone: str | None = None, time_format: str | None = None, twice: Twice | None = None) -> str:
    options = Options(NOW, parse_zone(zone), time_format, twice)
    return Cells(options, {"visited_at": "when"}).fill({"visited_at": text}).instant("visited_at").isoformat()


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        (("2024-07-01T12:00:00+02:00",), "2024-07-01T10:00:00+00:00"),
        (("2024-07-01 12:00", "Europe/Berlin"), "2024-07-01T10:00:00+00:00"),
        (("2024-01-01", "Asia/Shanghai"), "2023-12-31T16:00:00+00:00"),
        (("07/04/2024 3:05 PM", "America/New_York", "%m/%d/%Y %I:%M %p"), "2024-07-04T19:05:00+00:00"),
        (("4.7.2024", "Europe/Berlin", "%d.%m.%Y"), "2024-07-03T22:00:00+00:00"),
        (("2024-10-27 02:30", "Europe/Berlin", None, Twice.EARLIER), "2024-10-27T00:30:00+00:00"),
        (("2024-10-27 02:30", "Europe/Berlin", None, Twice.LATER), "2024-10-27T01:30:00+00:00"),
        (("2024-10-27 02:30+01:00", "Europe/Berlin"), "2024-10-27T01:30:00+00:00"),
    ],
)
def test_times_are_instants_of_the_zone_that_was_stated(said: Sequence[Any], utc: str) -> None:
    assert instant(*said) == utc


@pytest.mark.parametrize(
    "said",
    [
        ("2024-10-27 02:30", "Europe/Berlin"),
        ("2024-03-31 02:30", "Europe/Berlin", None, Twice.EARLIER),
        ("01.02.2024", "Europe/Berlin"),
        ("13/01/2024", "UTC", "%m/%d/%Y"),
        ("0001-01-01T00:00:00+14:00",),
        (45_123, "UTC"),
    ],
)
def test_a_time_that_could_be_another_or_none_is_refused(said: Sequence[Any]) -> None:
    with pytest.raises(BadRow):
        instant(*said)


def test_a_time_without_a_zone_stops_the_import_before_anything_is_told() -> None:
    with pytest.raises(Unclear, match="Europe/Berlin"):
        instant("2024-01-01 10:00")
