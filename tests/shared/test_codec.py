"""What is read from Kafka: whole and typed, or refused with a reason. Rows 32-39 of the fault list."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from shared.events import producer_of, short_type, type_of
from shared.events.codec import EVENTS, Undecodable, decode, encode
from shared.events.storefront import Order, Person, StorefrontOrderCompleted

GOOD = encode(
    StorefrontOrderCompleted(
        id="e1",
        source="shop",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data=Order(person=Person(source_id="anna"), shop_id="s", order_id="o1", total=500, currency="USD"),
    )
)


def changed(old: bytes, new: bytes) -> bytes:
    assert old in GOOD
    return GOOD.replace(old, new)


BAD = {
    "no value": (None, "no value"),
    "broken bytes": (b"\xff\xfe", "malformed"),
    "no object": (b"[1]", "object"),
    "no type": (b"{}", "type"),
    "unknown type": (changed(b"completed.v1", b"eaten.v1"), "Invalid value"),
    "money as float": (changed(b"500", b"5.5"), "data.total"),
    "money as text": (changed(b"500", b'"500"'), "data.total"),
    "money as truth": (changed(b"500", b"true"), "data.total"),
    "negative money": (changed(b"500", b"-1"), "data.total"),
    "more money than there is": (changed(b"500", b"9007199254740992"), "data.total"),
    "a number of 5,000 digits": (changed(b"500", b"9" * 5_000), "out of range"),
    "not a number": (changed(b"500", b"NaN"), "malformed"),
    "infinity": (changed(b"500", b"1e400"), "out of range"),
    "currency unknown": (changed(b"USD", b"usd"), "data.currency"),
    "NUL": (changed(b'"o1"', b'"o\\u0000"'), "U+0000"),
    "half a character": (changed(b'"o1"', b'"\\ud800"'), "malformed"),
    "an id without end": (changed(b'"o1"', b'"' + b"o" * 300 + b'"'), "data.order_id"),
    "an instant without offset": (changed(b"00Z", b"00"), "time"),
    "the first instant there is": (changed(b"2026-01-01", b"0001-01-01"), "years 2 to 9998"),
    "depth": (b'{"a":' * 100_000, "recursion"),
    "size": (b" " * 2_000_000, "bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_rule_is_refused_with_the_reason(name: str) -> None:
    body, reason = BAD[name]
    with pytest.raises(Undecodable, match="(?i)" + re.escape(reason)):
        decode(body)


def test_what_is_encoded_reads_back_the_same() -> None:
    assert encode(decode(GOOD)) == GOOD


def test_fields_of_a_later_minor_version_are_ignored() -> None:
    assert decode(changed(b'"data":{', b'"later":1,"data":{"later":2,')) == decode(GOOD)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert decode(changed(b'"o1"', b'"o\\\\u0000"')).data.order_id == "o\\u0000"  # pyright: ignore


@pytest.mark.parametrize("event", EVENTS, ids=short_type)
def test_every_event_says_in_one_sentence_what_it_means(event: type) -> None:
    doc = (event.__doc__ or "").strip()
    assert doc.endswith(".")
    assert "\n\n" not in doc
    assert re.fullmatch(r"com\.comeback\.[a-z_.-]+\.v[1-9]", type_of(event))


@pytest.mark.parametrize("event", [each for each in EVENTS if producer_of(each) != "clock"], ids=short_type)
def test_every_event_has_an_example_that_reads(event: type) -> None:
    example = Path(f"docs/contracts/examples/{type_of(event)}.json")
    assert isinstance(decode(example.read_bytes()), event)
    assert msgspec.json.decode(example.read_bytes())["specversion"] == "1.0"


def test_no_example_is_left_over() -> None:
    names = {path.stem for path in Path("docs/contracts/examples").glob("*.json")}
    assert names == {type_of(each) for each in EVENTS}
