"""What files say and how problems are told; nothing here needs a running system, nor does `--dry-run`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import UNSET
from typer.testing import CliRunner

from deploy.local.errors import StackError
from deploy.local.names import PORTS
from deploy.local.ports import choose_free
from deploy.local.state import Home, State
from shared.events.codec import decode
from shared.events.storefront import StorefrontOrderCompleted
from tools.importing.kinds import CUSTOMERS, VISITS, Kind
from tools.importing.options import Money, Options
from tools.importing.orders import orders
from tools.importing.reading import Found, names_in, read
from tools.importing.rejects import Rejected, Rejects
from tools.importing.staging import Staging
from tools.importing.tables import open_table
from tools.importing.telling import bundles
from tools.main import app

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MONEY = ("--money", "point", "--currency", "EUR")


def dry_run(kind: str, file: Path, *words: str, code: int = 0) -> str:
    """In a folder in which no stack is: whatever were told would be refused."""
    environment = {"COMEBACK_HOME": str(file.parent / "nothing-here"), "COLUMNS": "300"}
    done = CliRunner(env=environment).invoke(app, ["import", kind, str(file), "--dry-run", *words])
    assert done.exit_code == code, (done.output, done.exception)
    return " ".join(done.output.replace("│", " ").split())


def write(folder: Path, text: str, name: str = "orders.csv", encoding: str = "utf-8") -> Path:
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def loaded(file: Path, kind: Kind, **said: Any) -> tuple[list[Any], Found, list[Rejected]]:
    """The events that would be told, what was found, and every rejected row."""
    table = open_table(file, kind.required, "utf-8", None)
    staging, rejects = Staging(), Rejects(table, None)
    names = names_in(table.header, kind.columns, {})
    found = read(table, kind, names, Options(NOW, **said), staging, rejects, lambda _: None)
    told = [decode(body) for of_one in staging.in_turn() for each in of_one for body in each.bodies]
    staging.close()
    return told, found, rejects.first


PROBLEMS = """order_id,customer_id,ordered_at,paid_at,cancelled_at,refunded_at,refunded_amount,total
1,ann,2024-05-01T10:00:00Z,2024-05-01T10:00:00Z,,,,10.00
,ann,2024-05-01T10:00:00Z,,,,,10.00
3,,2024-05-01T10:00:00Z,,,,,10.00

"5
5",ann,2024-05-01T10:00:00Z,,,,,ten
6,ann,2024-05-01 25:00:00Z,,,,,10.00
7,ann,2024-05-01T10:00:00Z,2024-05-01T09:00:00Z,,,,10.00
8,ann,2024-05-01T10:00:00Z,,2024-04-30T10:00:00Z,,,10.00
9,ann,2024-05-01T10:00:00Z,,,2024-05-02T10:00:00Z,,10.00
10,ann,2024-05-01T10:00:00Z,2024-05-01T10:00:00Z,,,5.00,10.00
11,ann,2099-05-01T10:00:00Z,,,,,10.00
12,ann,2024-05-01T10:00:00Z,,,,,10.001
13,ann,2024-05-01T10:00:00Z,,,,,-1
14,ann,2024-05-01T10:00:00Z
1,ann,2024-05-01T10:00:00Z,2024-05-01T10:00:00Z,,,,11.00
15,ann,2024-05-01T10:00:00Z,,,,,"10.00"x
1,ann,2024-05-01T10:00:00Z,2024-05-01T10:00:00Z,,,,10.00
"""

EXPECTED = [
    (3, "order_id", "is empty"),
    (4, "customer_id", "is empty"),
    (6, "total", "'ten' is no amount as --money point has them"),
    (8, "ordered_at", "'2024-05-01 25:00:00Z' is no date and time in ISO 8601; --time-format says another form"),
    (9, "paid_at", "2024-05-01T09:00:00+00:00 lies before the order, 2024-05-01T10:00:00+00:00"),
    (10, "cancelled_at", "2024-04-30T10:00:00+00:00 lies before the order, 2024-05-01T10:00:00+00:00"),
    (11, "refunded_at", "the order was never paid"),
    (12, "refunded_amount", "was given back, but refunded_at does not say when"),
    (13, "ordered_at", "2099-05-01T10:00:00Z lies in the future"),
    (14, "total", "10.001 is not a whole number of minor units of EUR"),
    (15, "total", "'-1' is no amount as --money point has them"),
    (16, "", "3 cells under 8 names"),
    (17, "order_id", "stands on line 2 already, with something else beside it"),
    (18, "", "cannot be split into cells: ',' expected after '\"'"),
]


def test_each_bad_row_is_told_with_its_line_column_and_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are those that an editor shows, whatever blank lines and line breaks in cells stand before them"""
    monkeypatch.setattr("tools.importing.rejects._SHOWN", 100)
    told, found, rejected = loaded(write(tmp_path, PROBLEMS), orders(), money=Money.POINT, currency="EUR")
    assert rejected == EXPECTED
    assert (found.rows, found.good, found.repeated, len(told)) == (16, 1, 1, 1)


def test_a_dry_run_says_what_would_happen_and_shows_the_first_ten_problems(tmp_path: Path) -> None:
    file = write(tmp_path, PROBLEMS)
    said = dry_run("orders", file, *MONEY, code=1)
    assert "orders.csv: 16 rows good 1 orders of 1 customers" in said
    assert "storefront-order.completed 1 paid 10.00 EUR in 1 orders repeated 1 rows" in said
    assert "bad 14 rows; the first of them:" in said
    assert all(f"line {line}, {column}: {reason}" in said for line, column, reason in EXPECTED[:10] if column)
    assert "line 15, total" not in said
    assert said.endswith("Nothing was told: this was a dry run.")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("header", "row", "words", "option"),
    [
        ("order_id,customer_id,ordered_at,total", "1,a,2024-01-01 10:00,1.00", MONEY, "--zone"),
        ("order_id,customer_id,ordered_at,total", "1,a,2024-01-01,1.00", (*MONEY, "--zone", "Berlin"), "--zone"),
        ("order_id,customer_id,ordered_at,total", "1,a,2024-01-01T00Z,1.00", ("--currency", "EUR"), "--money"),
        ("order_id,customer_id,ordered_at,total", "1,a,2024-01-01T00Z,1.00", ("--money", "point"), "--currency"),
        ("order_id,customer_id,ordered_at,total", "1,a,2024-01-01T00Z,1.00", (*MONEY[:3], "Euro"), "--currency"),
        ("order_id,customer_id,ordered_at,Amount", "1,a,2024-01-01T00Z,1.00", MONEY, "--map"),
        ("order_id,client,ordered_at,total", "1,a,2024-01-01T00Z,1.00", MONEY, "--map"),
        (
            "order_id,customer_id,ordered_at,total",
            "1,a,2024-01-01T00Z,1",
            (*MONEY, "--map", "total=Sum"),
            "--map",
        ),
        (
            "order_id,customer_id,ordered_at,total",
            "1,a,2024-01-01T00Z,1",
            (*MONEY, "--map", "price=total"),
            "--map",
        ),
        ("order_id,customer_id,ordered_at,total,total", "1,a,2024-01-01T00Z,1,1", MONEY, "--map"),
        (
            "order_id,customer_id,ordered_at,total",
            "1,ä,2024-01-01T00Z,1",
            (*MONEY, "--encoding", "latin-0"),
            "--encoding",
        ),
        ("order_id,customer_id,ordered_at", "1,a,2024-01-01T00Z", (*MONEY, "--total-from-lines"), "--lines"),
        (
            "order_id,customer_id,ordered_at,refunded_amount",
            "1,a,2024-01-01T00Z,1",
            ("--no-total",),
            "--no-total",
        ),
        (
            "order_id,customer_id,ordered_at",
            "1,a,2024-01-01T00Z",
            ("--no-total", "--total-from-lines"),
            "--no-total",
        ),
    ],
)
def test_what_is_not_stated_is_asked_for_by_the_name_of_the_option(
    tmp_path: Path, header: str, row: str, words: Sequence[str], option: str
) -> None:
    said = dry_run("orders", write(tmp_path, f"{header}\n{row}\n"), *words, code=2)
    assert f"Invalid value for {option}: " in said


def test_another_encoding_than_was_stated_is_noticed(tmp_path: Path) -> None:
    text = "order_id,customer_id,ordered_at,total\n1,Jürgen,2024-01-01T00:00:00Z,1.00\n"
    file = write(tmp_path, text, encoding="cp1252")
    assert "Invalid value for --encoding: orders.csv is not utf-8" in dry_run("orders", file, *MONEY, code=2)
    assert "good 1 orders" in dry_run("orders", file, *MONEY, "--encoding", "cp1252")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_byte_order_mark_and_any_usual_separator_are_read(tmp_path: Path, delimiter: str) -> None:
    rows = [("order_id", "customer_id", "ordered_at", "total"), ("1", "a, b", "2024-01-01T00Z", "12.50")]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    file = write(tmp_path, text, encoding="utf-8-sig")
    assert "paid 12.50 EUR in 1 orders" in dry_run("orders", file, *MONEY)


def test_excels_unicode_text_is_read(tmp_path: Path) -> None:
    """UTF-16 with its mark, tabs between cells"""
    text = "order_id\tcustomer_id\tordered_at\ttotal\r\n007\tÅsa\t2024-01-01 10:00\t1 234,50\r\n"
    file = write(tmp_path, text, encoding="utf-16")
    words = ("--encoding", "utf-16", "--zone", "UTC", "--money", "comma", "--currency", "SEK")
    assert "paid 1,234.50 SEK in 1 orders" in dry_run("orders", file, *words)


CSV = """order_id,customer_id,ordered_at,paid_at,total,currency,coupon_codes,channel
0017,42,2024-05-01T10:00:00Z,2024-05-01T10:03:00Z,12.50,EUR,"A,B",app
0018,42,2024-05-02T10:00:00Z,,7.00,EUR,,
"""


def test_parquet_tells_the_same_as_csv(tmp_path: Path) -> None:
    """Numbers, decimals, instants, lists and nothings of Parquet; ids keep their zeros"""
    at = [datetime(2024, 5, day, 10, tzinfo=UTC) for day in (1, 2)]
    table = pa.table(
        {
            "order_id": ["0017", "0018"],
            "customer_id": pa.array([42, 42], pa.int64()),
            "ordered_at": pa.array(at, pa.timestamp("ns", "UTC")),
            "paid_at": pa.array([at[0].replace(minute=3), None], pa.timestamp("ms", "UTC")),
            "total": pa.array([12.5, 7.0], pa.float64()),
            "currency": pa.array(["EUR", "EUR"]).dictionary_encode(),
            "coupon_codes": [["A", "B"], None],
            "channel": ["app", None],
        }
    )
    parquet = tmp_path / "orders.parquet"
    pq.write_table(table, parquet)
    said = {"money": Money.POINT}
    told, found, rejected = loaded(parquet, orders(), **said)
    assert (told, found, rejected) == loaded(write(tmp_path, CSV), orders(), **said)
    assert [event.data.order_id for event in told] == ["0017", "0017", "0018"]
    assert rejected == []


def test_a_parquet_files_bad_rows_have_their_numbers(tmp_path: Path) -> None:
    table = pa.table({"customer_id": [1.5, 2.0, None], "visited_at": pa.array([NOW] * 3, pa.timestamp("us", "UTC"))})
    file = tmp_path / "visits.parquet"
    pq.write_table(table, file)
    _, _, rejected = loaded(file, VISITS)
    reason = "is neither a text nor a whole number"
    assert rejected == [
        (1, "customer_id", f"1.5 {reason}"),
        (2, "customer_id", f"2.0 {reason}"),
        (3, "customer_id", "is empty"),
    ]


def test_totals_come_from_lines_when_that_is_stated(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "order_id,customer_id,ordered_at,shop_id\n1,a,2024-01-01T00:00:00Z,n\n2,a,2024-01-02T00:00:00Z,n\n3,b,2024-01-03T00:00:00Z,n\n1,b,2024-01-04T00:00:00Z,s\n",
    )
    lines = write(
        tmp_path,
        "order_id;sku;quantity;price\n1;x;2;1,25\n1;y;0,5;3,00\n2;x;1;free\n9;x;1;1,00\n",
        "lines.csv",
    )
    words = ("--zone", "UTC", "--money", "comma", "--currency", "EUR", "--lines", str(lines), "--total-from-lines")
    said = dry_run("orders", file, *words, code=1)
    assert "line 4, price: 'free' is no amount as --money comma has them" in said
    assert "paid 4.00 EUR in 1 orders" in said
    assert "line 3, order_id: one of the lines of 2 is bad" in said
    assert "line 4, order_id: 3 has no lines to sum" in said
    assert "line 5, order_id: 1 is an order of n too, and lines do not say whose they are" in said
    assert "read and not kept 4 lines of lines.csv, but for their sums lines without order 1 in lines.csv" in said


def test_a_stack_that_is_not_there_or_down_is_said_before_and_after_reading(tmp_path: Path) -> None:
    file, home = write(tmp_path, CSV), tmp_path / "home"
    words = ["import", "orders", str(file), "--money", "point"]
    runner = CliRunner(env={"COMEBACK_HOME": str(home)})
    with pytest.raises(StackError, match="comeback stack up"):
        runner.invoke(app, words, catch_exceptions=False)
    Home(home).save(State(ports=dict(zip(PORTS, choose_free(len(PORTS)), strict=True))))
    with pytest.raises(StackError, match="Kafka does not answer"):
        runner.invoke(app, words, catch_exceptions=False)


def test_an_events_id_is_the_same_in_every_run_and_another_for_every_fact(tmp_path: Path) -> None:
    file = write(tmp_path, CSV)
    ids = [[event.id for event in loaded(file, orders(), money=Money.POINT)[0]] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
    elsewhere = [event.id for event in loaded(file, orders(), money=Money.POINT, shop="north")[0]]
    assert not set(elsewhere) & set(ids[0])


def test_without_amounts_orders_still_count(tmp_path: Path) -> None:
    file = write(tmp_path, "order_id,customer_id,ordered_at\n1,a,2024-01-01T00:00:00Z\n")
    (told,), _, _ = loaded(file, orders(), no_total=True)
    assert isinstance(told, StorefrontOrderCompleted)
    assert (told.data.total, told.data.currency) == (0, "XXX")


def test_who_is_a_member_is_said_or_left_open(tmp_path: Path) -> None:
    text = (
        "customer_id,created_at,member,email\na,2024-01-01T00Z,yes,x\nb,2024-01-01T00Z,,x\nc,2024-01-01T00Z,maybe,x\n"
    )
    file = write(tmp_path, text)
    told, _, rejected = loaded(file, CUSTOMERS)
    assert [event.data.member for event in told] == [True, UNSET]
    assert [line for line, _, _ in rejected] == [4]
    assert "read and not kept email" in dry_run("customers", file, code=1)


def test_all_of_a_customer_goes_together(tmp_path: Path) -> None:
    """A tick between two halves of somebody's history could find them silent who is not"""
    rows = [f"{n},c{n % 997},2024-01-{1 + n % 28:02}T00:00:00Z,1.00" for n in range(5000)]
    file = write(tmp_path, "\n".join(["order_id,customer_id,ordered_at,total", *rows]))
    table, staging = open_table(file, (), "utf-8", None), Staging()
    kind, options = orders(), Options(NOW, money=Money.POINT, currency="EUR")
    names = names_in(table.header, kind.columns, {})
    read(table, kind, names, options, staging, Rejects(table, None), lambda _: None)
    found = list(bundles(staging, None))
    people = [{told.person for told in bundle} for bundle in found]
    assert sum(map(len, people)) == len(set.union(*people)) == 997
    assert sum(map(len, found)) == 5000
    assert 5 < len(found) < 50
    # The broker takes a record batch whole or not at all.
    assert max(sum(len(body) for told in bundle for body in told.bodies) for bundle in found) < 262_144
    last = found[2][-1].person
    assert [told for bundle in bundles(staging, last) for told in bundle] == [told for b in found[3:] for told in b]
    staging.close()
