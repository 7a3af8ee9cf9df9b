"""`comeback import` as a person runs it, on a whole system: CDNOW, interrupted imports, exports of Excel."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.local.stack import Stack
from shared.database import connect
from tests.importing.asking import Asking
from tests.importing.definition import by_customer, by_month, count_regulars, count_stages, load
from tools.main import app

CDNOW = "--map total=dollars --map ordered_at=day --zone America/New_York --time-format %Y%m%d"
INSTANTS = (
    "1997-02-01T05:00:00Z",
    "1997-03-15T05:00:00Z",
    "1997-05-01T00:00:00Z",
    "1997-08-20T12:00:00Z",
    "1998-01-01T05:00:00Z",
    "1998-06-30T23:00:00Z",
)
STAGES = ("new", "rising", "mature", "declining", "silent", "churned")


def bring_in(stack: Stack, *words: str, code: int = 0) -> str:
    """What a person reads."""
    environment = {"COMEBACK_HOME": str(stack.home.folder), "COLUMNS": "200"}
    done = CliRunner(env=environment).invoke(app, ["import", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return " ".join(done.output.split())


def interrupt(stack: Stack, how: signal.Signals, *words: str) -> tuple[int, str]:
    """How it ends, and what a person reads, when this comes in the middle of the telling."""
    environment = {**os.environ, "COMEBACK_HOME": str(stack.home.folder)}
    argv = [sys.executable, "-m", "tools.main", "import", *words]
    # Started in the background, as a build may be, we ignore Ctrl-C, and so would whom we start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        signal.signal(signal.SIGINT, before)
        deadline = time.monotonic() + 60
        while not list((stack.home.folder / "imports").glob("*.json")):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        return process.returncode, " ".join(said.decode().split())


@pytest.fixture
def asking(system: Stack) -> Asking:
    return Asking(system)


def known(stack: Stack) -> list[Any]:
    """Every row of profile's; an order's version says when it was changed last."""
    return asyncio.run(_known(stack.environment()["COMEBACK_PROFILE_DATABASE_URL"]))


async def _known(url: str) -> list[Any]:
    connection = await connect(url)
    try:
        return await connection.fetch(
            """SELECT order_key, version, refund_total FROM orders UNION ALL
               SELECT customer_id, orders, visits FROM customers UNION ALL SELECT visit_id, 0, 0 FROM visits
               ORDER BY 1"""
        )
    finally:
        await connection.close()


def start_campaigns(asking: Asking) -> list[str]:
    """One for everyone who falls silent, churns or comes into a segment; for all of CDNOW's years."""
    body = {"name": "back", "kind": "discount", "discount": {"type": "percent_off", "percent": 10, "currency": "USD"}}
    template = asking.post("coupons", "/v1/templates", {**body, "validity": {"type": "relative", "days": 14}})
    rule = {"field": "orders", "op": "gte", "value": 2}
    segment = asking.post("segmentation", "/v1/segments", {"name": "came back", "rule": rule})["segment_id"]
    audiences = [{"kind": "stage", "stage": stage} for stage in ("silent", "churned", "new")]
    made: list[str] = []
    for number, audience in enumerate([*audiences, {"kind": "segment", "segment_id": segment}]):
        campaign = asking.post(
            "targeting",
            "/v1/campaigns",
            {
                "name": f"campaign {number}",
                "goal": "recall",
                "business_line": f"line {number}",
                "channel": "push",
                "template_id": template["template_id"],
                "audience": audience,
                "starts_at": "1996-01-01T00:00:00Z",
                "trigger": {"kind": "entered"},
            },
        )["campaign_id"]
        asking.post("targeting", f"/v1/campaigns/{campaign}/start", {})
        made.append(campaign)
    return made


def regulars_at(asking: Asking, at: str) -> int:
    rules = [
        {"field": "orders", "op": "gte", "value": 2},
        {"field": "last_order_at", "op": "within_days", "value": 30},
        {"not": {"field": "stage", "op": "eq", "value": "silent"}},
    ]
    return asking.post("segmentation", "/v1/segments/preview", {"rule": {"all": rules}, "at": at})["count"]


def test_cdnow_is_right_as_of_every_instant_and_recalls_nobody(system: Stack, asking: Asking, cdnow: Path) -> None:
    """LC2 to LC7, MT2: sales by month, stages at instants, segments, against the definitions"""
    campaigns = start_campaigns(asking)
    purchases = load(cdnow)
    # As CDNOW could have exported it; the published file has no numbers of orders.
    file = cdnow.with_name("cdnow.csv")
    lines = [f"{number},{each.customer},{each.day},{each.dollars}" for number, each in enumerate(purchases)]
    file.write_text("\n".join(["order_id,customer_id,day,dollars", *lines]))
    said = bring_in(system, "orders", str(file), *CDNOW.split(), "--money", "point", "--currency", "USD")
    assert "2,500,315.63 USD in 69,659 orders" in said
    assert "69,659 orders of 23,570 customers" in said
    assert asking.months(zone="America/New_York") == by_month(purchases)
    customers = by_customer(purchases)
    for at in INSTANTS:
        told = asking.get("segmentation", "/v1/lifecycle/counts", at=at)["counts"]
        expected = count_stages(customers, datetime.fromisoformat(at))
        assert {stage: told[stage] for stage in STAGES} == {stage: expected.get(stage, 0) for stage in STAGES}, at
        assert regulars_at(asking, at) == count_regulars(customers, datetime.fromisoformat(at)), at
    rule = {"field": "orders", "op": "gte", "value": 2}
    preview = asking.post("segmentation", "/v1/segments/preview", {"rule": rule})
    assert preview["count"] == sum(len(orders) >= 2 for orders in customers.values())
    for campaign in campaigns:
        assert asking.get("targeting", f"/v1/campaigns/{campaign}/decisions")["data"] == []


def test_only_who_falls_silent_in_these_hours_is_recalled(system: Stack, asking: Asking, tmp_path: Path) -> None:
    """AH4: the campaigns above are awake; a cause of an hour ago is one, those of history are none"""
    now, file = datetime.now(UTC), tmp_path / "recent.csv"
    hours = {"sue": (31 * 24, 721), "sid": (721, 40 * 24, 60), "sam": (60 * 24,)}
    lines = [f"{who}{ago},{who},{(now - timedelta(hours=ago)).isoformat()}" for who in hours for ago in hours[who]]
    file.write_text("\n".join(["order_id,customer_id,ordered_at", *lines]))
    bring_in(system, "orders", str(file), "--no-total")
    campaigns = asking.get("targeting", "/v1/campaigns", limit=200)["data"]
    decided = [
        (campaign["audience"]["stage"], decision["customer_id"])
        for campaign in campaigns
        if campaign["audience"]["kind"] == "stage"
        for decision in asking.get("targeting", f"/v1/campaigns/{campaign['campaign_id']}/decisions")["data"]
    ]
    assert decided == [("silent", asking.customer("sue")["customer_id"])]


ORDERS = """order_id,customer_id,ordered_at,paid_at,cancelled_at,refunded_at,refunded_amount,total,currency,coupon_codes
T1,tim,2021-03-01T10:00:00Z,2021-03-01T10:05:00Z,,,,12.50,EUR,"A-1,B-2"
T2,tim,2021-03-02T10:00:00Z,,,,,99.00,EUR,
T3,tim,2021-03-03T10:00:00Z,2021-03-03T10:00:00Z,,2021-03-09T00:00:00Z,4.25,10.00,EUR,
T4,tim,2021-03-04T10:00:00Z,2021-03-04T10:00:00Z,2021-03-05T00:00:00Z,,,20.00,EUR,
T5,tim,2021-03-05T10:00:00Z,2021-03-05T10:00:00Z,,2021-03-06T00:00:00Z,,30.00,EUR,
"""


def test_an_import_twice_is_once(system: Stack, asking: Asking, tmp_path: Path) -> None:
    """I2: orders, refunds, visits and customers; no order is changed, nor told, a second time"""
    orders, visits, customers = (tmp_path / name for name in ("orders.csv", "visits.csv", "customers.csv"))
    orders.write_text(ORDERS)
    visits.write_text("customer_id,visited_at\ntim,2021-02-01\ntim,2021-02-02\ntim,2021-02-01\n")
    customers.write_text("customer_id,created_at,member\ntim,2021-01-01,yes\ntom,2021-01-01,\n")
    after: list[list[Any]] = []
    for _ in range(2):
        assert "good 5 orders of 1 customers" in bring_in(system, "orders", str(orders), "--money", "point")
        assert "repeated 1 rows" in bring_in(system, "visits", str(visits), "--zone", "UTC")
        bring_in(system, "customers", str(customers), "--zone", "UTC")
        after.append(known(system))
    assert after[0] == after[1]
    found = asking.orders("tim")
    assert {name: (each["counted"], each["refunded_amount"]) for name, each in found.items()} == {
        "T1": (True, 0),
        "T2": (False, 0),
        "T3": (True, 425),
        "T4": (False, 2000),
        "T5": (False, 3000),
    }
    assert found["T1"]["coupons"] == ["A-1", "B-2"]
    assert found["T1"]["paid_at"] == "2021-03-01T10:05:00Z"
    tim, tom = asking.customer("tim"), asking.customer("tom")
    # Orders T1 and T2 were placed before they were paid, if ever: that is a visit too.
    assert (tim["orders"], tim["visits"], tim["member"]) == (2, 4, True)
    assert (tom["orders"], tom["visits"], tom["member"]) == (0, 0, False)
    assert asking.months(**{"from": "2021-01-01T00:00:00Z", "to": "2022-01-01T00:00:00Z"}) == {
        "2021-03-01": (2, 1, 1250 + 1000 - 425)
    }


@pytest.mark.parametrize(
    ("how", "year", "ends"),
    [
        (signal.SIGKILL, 2019, (-9, "")),
        (signal.SIGINT, 2018, (2, "comeback: Interrupted. Run the same command again: it goes on where it was.")),
    ],
)
def test_an_interrupted_import_goes_on_where_it_was(
    system: Stack, asking: Asking, tmp_path: Path, how: signal.Signals, year: int, ends: tuple[int, str]
) -> None:
    """Row 1 of the fault list: kill -9 in the middle; and Ctrl-C"""
    file, count = tmp_path / "many.csv", 8_000
    start = datetime(year, 1, 1, tzinfo=UTC)
    lines = [f"{how}-{n},kim{n % 4000},{(start + timedelta(minutes=n)).isoformat()},{n}" for n in range(count)]
    file.write_text("\n".join(["order_id,customer_id,ordered_at,total", *lines]))
    words = ("orders", str(file), "--money", "minor", "--currency", "EUR")
    assert interrupt(system, how, *words) == ends
    said = bring_in(system, *words)
    before, now = (int(found.replace(",", "")) for found in re.findall(r"(?:behind|Told) ([\d,]+)", said))
    assert before > 0
    assert now > 0
    assert before + now == count
    sales = asking.months(**{"from": f"{year}-01-01T00:00:00Z", "to": f"{year + 1}-01-01T00:00:00Z"})
    assert (sum(each[0] for each in sales.values()), sum(each[2] for each in sales.values())) == (
        count,
        sum(range(count)),
    )
    assert "behind" not in bring_in(system, *words, "--no-wait")


def test_a_german_excel_export_goes_in_and_its_bad_rows_come_out(system: Stack, asking: Asking, tmp_path: Path) -> None:
    """BOM, semicolons, decimal comma, dates of the locale, line breaks in cells; the bad rows' file is mended"""
    file = tmp_path / "bestellungen.csv"
    text = (
        "Bestellnummer;Kunde;Datum;Betrag;Notiz;E-Mail;Rabatt\r\n"
        '00017;eva;31.12.2022 23:30;1.234,56;"zwei\r\nZeilen";eva@example.org;0,00\r\n'
        "00018;eva;01.02.2023 08:00;7,5;;;\r\n"
        "00019;eva;02.13.2023 08:00;7,50;;;\r\n"
        "00020;eva;03.02.2023 08:00;7.50;;;\r\n"
        ";;;;;;\r\n"
    )
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    maps = "order_id=Bestellnummer customer_id=Kunde ordered_at=Datum total=Betrag email=E-Mail discount=Rabatt"
    words = [word for pair in maps.split() for word in ("--map", pair)]
    words += ["--zone", "Europe/Berlin", "--time-format", "%d.%m.%Y %H:%M", "--money", "comma", "--currency", "EUR"]
    said = bring_in(system, "orders", str(file), *words, "--shop", "laden", code=1)
    assert "read and not kept E-Mail, Rabatt" in said
    assert "not known, not read Notiz" in said
    assert "line 5, Datum: '02.13.2023 08:00' is no date and time of the form %d.%m.%Y %H:%M" in said
    found = asking.orders("eva")
    assert {name: (each["total"], each["paid_at"], each["shop_id"]) for name, each in found.items()} == {
        "00017": (123_456, "2022-12-31T22:30:00Z", "laden"),
        "00018": (750, "2023-02-01T07:00:00Z", "laden"),
    }
    bad = tmp_path / "bestellungen.csv.bad.csv"
    rows = bad.read_text("utf-8").splitlines()
    assert [row.split(";")[:2] for row in rows] == [["line", "column"], ["5", "Datum"], ["6", "Betrag"]]
    bad.write_text(bad.read_text("utf-8").replace("02.13.", "13.02.").replace("7.50;;", "7,50;;"), "utf-8")
    bring_in(system, "orders", str(bad), *words, "--shop", "laden")
    assert set(asking.orders("eva")) == {"00017", "00018", "00019", "00020"}
    assert not (tmp_path / "bestellungen.csv.bad.csv.bad.csv").exists()


def test_where_a_replay_makes_time_pass_the_import_says_how_far(system: Stack, asking: Asking, tmp_path: Path) -> None:
    """The last one: time cannot go back to the wall's here"""
    file = tmp_path / "late.csv"
    file.write_text("order_id,customer_id,ordered_at\nL1,lea,2020-06-01T00:00:00Z\n")
    assert "--until" in bring_in(system, "orders", str(file), "--no-total", "--until", "2020-07-01", code=2)
    system.up(clock="stream")
    stands = asking.get("metrics", "/v1/clock")["at"]
    assert "Time stands here" in bring_in(system, "orders", str(file), "--no-total")
    assert "it is" in bring_in(system, "orders", str(file), "--no-total", "--until", "2020-07-01", code=2)
    until = datetime.now(UTC).replace(microsecond=0)
    assert until > datetime.fromisoformat(stands)
    bring_in(system, "orders", str(file), "--no-total", "--until", f"{until:%Y-%m-%dT%H:%M:%S}")
    assert asking.get("metrics", "/v1/clock")["at"] == f"{until:%Y-%m-%dT%H:%M:%S}Z"
    lea = asking.customer("lea")["customer_id"]
    steps = asking.get("segmentation", f"/v1/customers/{lea}/lifecycle")["data"]
    assert [step["stage"] for step in steps] == ["new", "silent", "churned"]
