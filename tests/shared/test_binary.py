"""CloudEvents' binary mode: what stands in `ce_` headers and in the value is read, or parked with what is missing."""

import base64
from typing import Any

import msgspec
import pytest

from shared.batches import Item
from shared.buffers import Buffers
from shared.clock import BEGINNING
from shared.events.codec import decode
from shared.inbox import Record
from tests.shared.test_codec import GOOD

ENVELOPE = msgspec.json.decode(GOOD)
DATA = msgspec.json.encode(ENVELOPE.pop("data"))
HEADERS = {"content-type": "application/json", **{f"ce_{name}": value for name, value in ENVELOPE.items()}}


def record(value: bytes | None = DATA, changed: dict[str, Any] | None = None, **more: Any) -> Record:
    """A good record with some headers changed, or left out where they are None."""
    headers = {**HEADERS, **(changed or {}), **more}
    return holding(value, tuple((name, _bytes(text)) for name, text in headers.items() if text is not None))


def holding(value: bytes | None, headers: tuple[tuple[str, bytes], ...]) -> Record:
    return Record("orders", 0, 0, b"anna", value, headers)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def read(given: Any) -> Item:
    buffers = Buffers(["orders"], skips_ticks=True)
    buffers.reset({("orders", 0): (0, None)})
    buffers.arrive(("orders", 0), [given])
    batch = buffers.take(BEGINNING)
    [item] = batch.events or batch.unreadable
    return item


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", None])
def test_the_envelope_is_taken_from_headers(media_type: str | None) -> None:
    item = read(record(changed={"content-type": media_type}))
    assert (item.event, item.reason) == (decode(GOOD), None)


def test_extensions_are_taken_too_and_what_nobody_knows_is_ignored() -> None:
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    event = read(record(ce_traceparent=traceparent, ce_partitionkey="anna", other="x")).event
    assert event is not None
    assert event.traceparent == traceparent


def test_other_headers_stay_for_those_who_follow_traces() -> None:
    headers = dict(read(record(traceparent="00-of-kafka")).record.headers)
    assert headers == {"content-type": b"application/cloudevents+json", "traceparent": b"00-of-kafka"}


BAD = {
    **{
        f"without {name}": (record(changed={f"ce_{name}": None}), f"a binary CloudEvent without the header ce_{name}")
        for name in ("id", "type", "source", "time", "specversion")
    },
    "of another version": (record(ce_specversion="0.3"), "Invalid enum value '0.3' - at `$.specversion`"),
    "of an unknown type": (record(ce_type="com.example.eaten"), "Invalid value 'com.example.eaten' - at `$.type`"),
    "without an instant": (record(ce_time="yesterday"), "Invalid RFC3339 encoded datetime - at `$.time`"),
    "with an empty id": (record(ce_id=""), "Expected `str` of length >= 1 - at `$.id`"),
    "with a NUL": (record(ce_id="\x00"), "a text holds the character U+0000"),
    "with data of another form": (record(b"\xff\xfeavro"), "a binary CloudEvent whose value is not JSON"),
    "with more behind its data": (record(DATA + b',"id":"2"'), "a binary CloudEvent whose value is not JSON"),
    "with a field that breaks a rule": (
        record(DATA.replace(b"500", b"-1")),
        "Expected `int` >= 0 - at `$.data.total`",
    ),
    "without a value": (record(None), "a binary CloudEvent whose value is not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_breaks_a_rule_is_parked_with_the_reason(name: str) -> None:
    given, reason = BAD[name]
    item = read(given)
    assert (item.event, item.reason) == (None, reason)


def test_a_parked_record_holds_the_whole_event_in_the_one_form_that_is_retried() -> None:
    parked = read(record(ce_id=None)).parked("reason")
    assert parked.body is not None
    told = msgspec.json.decode(parked.body)
    assert decode(msgspec.json.encode({**told, "id": ENVELOPE["id"]})) == decode(GOOD)
    assert (parked.topic, parked.partition, parked.offset, parked.key) == ("orders", 0, 0, b"anna")


def test_of_what_is_no_json_the_bytes_are_kept() -> None:
    parked = read(record(b"\xff\xfeavro")).parked("reason")
    assert parked.body is not None
    assert base64.b64decode(msgspec.json.decode(parked.body)["data_base64"]) == b"\xff\xfeavro"


def test_a_header_that_is_no_text_disturbs_nothing_else() -> None:
    assert read(record(ce_other=b"\xff")).event == decode(GOOD)


def test_who_says_structured_is_taken_at_their_word() -> None:
    item = read(record(changed={"content-type": "Application/CloudEvents+json; charset=utf-8"}))
    assert (item.event, item.record.value) == (None, DATA)
    assert "missing required field" in (item.reason or "")


def test_what_is_neither_is_parked_as_it_came() -> None:
    item = read(holding(b"\xff", (("content-type", b"text/plain"),)))
    assert (item.event, item.record.value) == (None, b"\xff")
    assert "malformed" in (item.reason or "")


def test_a_structured_record_is_read_without_a_look_at_its_headers() -> None:
    class Headless(Record, frozen=True):
        def __getattribute__(self, name: str) -> Any:
            assert name != "headers", "somebody looks"
            return super().__getattribute__(name)

    assert read(Headless("orders", 0, 0, b"anna", GOOD)).event == decode(GOOD)
