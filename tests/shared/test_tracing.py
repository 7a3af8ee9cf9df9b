"""Tracing: off it is not there, on it follows what it is asked to follow and no more, and it holds nobody up."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from msgspec import UNSET
from structlog.contextvars import get_contextvars

from shared import kafka, outbox, tracing
from shared.batches import Batch, Item
from shared.events import Event
from shared.events.codec import decode, encode
from shared.events.profile import VisitFact, Visits, VisitsRecorded
from shared.http.middleware import Requests
from shared.inbox import Record
from shared.spans import Spans
from shared.tracing import Trail
from tests.conftest import FreshDatabase
from tests.support.collecting import Collector, Span, collecting
from tests.support.doing import rows

T1 = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = "00f067aa0ba902b7"


def context(number: int, flags: str = "01") -> str:
    return f"00-{number:032x}-{SPAN}-{flags}"


def visit(number: int, traceparent: str | None = None) -> Event:
    data = Visits(visits=[VisitFact(visit_id=f"v{number}", customer_id="c", shop_id="s", visited_at=T1)])
    return VisitsRecorded(id=f"v{number}", source="profile", time=T1, data=data, traceparent=traceparent or UNSET)


def heard(*events: Event, header: str | None = None) -> Batch:
    """A batch of records, each with the key of its number; an empty header is one without a value."""
    headers = () if header is None else (("traceparent", header.encode() or None),)
    items = [
        Item(Record("t", 0, n, b"key%d" % n, headers=headers), type(event), event) for n, event in enumerate(events)
    ]
    return Batch(events=items, size=len(items))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def spans(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Tracing is on in this process."""
    spans = Spans("profile", collector.url)
    monkeypatch.setattr(tracing, "_spans", spans)
    monkeypatch.setattr(tracing, "_trail", Trail())
    yield spans
    spans.stop()


def sent(spans: Spans, collector: Collector) -> list[Span]:
    spans.stop()
    return collector.spans


@dataclass
class Taken:
    """What aiokafka's batch is given."""

    headers: list[Any] = field(default_factory=list[Any])

    def append(self, *, headers: list[Any], **_: Any) -> object:
        self.headers.append(headers)
        return self


def headers_of(*bodies: bytes) -> list[list[str]]:
    taken = Taken()
    client = SimpleNamespace(create_batch=lambda: taken)
    kafka._batches(client, [(b"key", body) for body in bodies])  # pyright: ignore
    return [[name for name, _ in each] for each in taken.headers]


@pytest.mark.parametrize("role", ["worker", "app"])
def test_a_process_that_traces_nothing_does_not_load_what_traces(role: str) -> None:
    """FastAPI itself loads OpenTelemetry's interfaces in an HTTP process; nothing that records or sends is there."""
    script = f"""
import sys
from shared import tracing
import services.profile.{role}, services.segmentation.{role}, services.targeting.{role}
import services.coupons.{role}, services.metrics.{role}
tracing.start("profile", "")
unwanted = ("opentelemetry.sdk", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf", "shared.spans")
wanted = "opentelemetry" if "{role}" == "worker" else unwanted
print([name for name in sys.modules if name.startswith(wanted)], tracing.is_on())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


async def test_off_neither_the_outbox_nor_a_record_says_anything_of_traces(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    assert isinstance(tracing.batch(heard(visit(1, context(1)))), nullcontext)
    async with database.transaction() as session:
        session.info["service"] = "profile"
        outbox.emit(session, [("key0", visit(1))])
        await outbox.flush(session)
    [row] = await rows(database, "SELECT messages FROM outbox")
    [(_, body)] = outbox.unpack(row["messages"])
    assert body == encode(visit(1))
    assert b"traceparent" not in body
    assert headers_of(encode(visit(1)), encode(visit(2, context(1)))) == [["content-type"], ["content-type"]]


async def test_what_follows_from_an_event_is_told_in_its_trace(
    fresh_database: FreshDatabase, spans: Spans, collector: Collector
) -> None:
    database = await fresh_database("profile")
    with tracing.batch(heard(visit(0, context(7)), visit(1))):
        assert get_contextvars()["trace_ids"] == [f"{7:032x}"]
        async with database.transaction() as session:
            session.info["service"] = "profile"
            outbox.emit(session, [("key0", visit(2)), ("key1", visit(3))])
            await outbox.flush(session)
    # The next transaction decides at the tick, and the one after that follows from something else.
    for tick_at in (T1, None):
        async with database.transaction() as session:
            session.info["service"] = "profile"
            outbox.emit(session, [("key0", visit(4))])
            await outbox.flush(session, tick_at)
    found = await rows(database, "SELECT messages FROM outbox ORDER BY outbox_id")
    bodies, at_tick, later = [[body for _, body in outbox.unpack(row["messages"])] for row in found]
    told, alone = [decode(body).traceparent for body in bodies]
    assert [decode(each[0]).traceparent for each in (at_tick, later)] == [told, UNSET]
    [span] = sent(spans, collector)
    assert (span.service, span.name, span.trace_id, span.parent_id) == ("profile", "process t", f"{7:032x}", SPAN)
    assert told == f"00-{7:032x}-{span.span_id}-01"
    assert alone is UNSET
    assert headers_of(*bodies) == [["content-type", "traceparent"], ["content-type"]]
    assert span.attributes["messaging.system"] == "kafka"
    assert (span.attributes["messaging.batch.message_count"], span.types) == (2, ["visits.recorded"])


async def test_the_header_of_a_record_is_believed_before_its_body(spans: Spans, collector: Collector) -> None:
    """A storefront's own Kafka client sets the header; so does whoever passes records on."""
    with tracing.batch(heard(visit(0, context(7)), header=context(8))):
        pass
    assert [span.trace_id for span in sent(spans, collector)] == [f"{8:032x}"]


async def test_a_header_without_a_value_says_nothing_and_stops_nobody(spans: Spans, collector: Collector) -> None:
    """Kafka allows it, and whoever tells us sets it as they like."""
    with tracing.batch(heard(visit(0, context(7)), header="")):
        pass
    assert [span.trace_id for span in sent(spans, collector)] == [f"{7:032x}"]


async def test_only_sound_contexts_that_are_to_be_recorded_are_followed(spans: Spans, collector: Collector) -> None:
    unsound = ["", "x", context(0), context(1, "00"), context(1) + "-", "ff" + context(1)[2:], "\x00" * 55, "é" * 55]
    with tracing.batch(heard(*(visit(n, each) for n, each in enumerate(unsound)))):
        assert tracing.stamp_all([("key3", visit(9))], last=False) == [("key3", visit(9))]
    assert sent(spans, collector) == []


async def test_of_a_batch_a_hundred_contexts_are_followed(spans: Spans, collector: Collector) -> None:
    with tracing.batch(heard(*(visit(n, context(n + 1)) for n in range(150)), visit(150, context(1)))):
        stamped = tracing.stamp_all([(f"key{n}", visit(n)) for n in (0, 99, 100, 150)], last=False)
    assert [isinstance(event.traceparent, str) for _, event in stamped] == [True, True, False, True]
    assert len({span.trace_id for span in sent(spans, collector)}) == len(collector.spans) == 100


async def test_a_batch_that_fails_is_a_span_that_failed(spans: Spans, collector: Collector) -> None:
    with pytest.raises(RuntimeError), tracing.batch(heard(visit(0, context(7)))):
        raise RuntimeError("a mistake of ours")
    assert [span.failed for span in sent(spans, collector)] == [True]


def test_a_trail_reaches_to_the_tick_and_no_further() -> None:
    """What a later tick decides follows from something else."""
    trail = Trail()
    trail.note("anna", context(1))
    decided = [("anna", visit(1)), ("bea", visit(2))]
    assert [event.traceparent for _, event in trail.stamp(decided, last=False)] == [context(1), UNSET]
    assert trail.stamp(decided, last=True)[0][1].traceparent == context(1)
    assert trail.stamp(decided, last=True) == decided


def test_a_trail_goes_on_under_another_key_and_remembers_so_many() -> None:
    trail = Trail()
    trail.note("anna", context(1))
    trail.rename("anna", "cus_1")
    trail.rename("nobody", "cus_2")
    told = trail.stamp([("cus_1", visit(1)), ("cus_2", visit(2))], last=False)
    assert [event.traceparent for _, event in told] == [context(1), UNSET]
    for number in range(10_000):
        trail.note(f"other{number}", context(2))
    assert trail.stamp([("cus_1", visit(1))], last=False) == [("cus_1", visit(1))]


def test_no_text_of_a_storefront_is_taken_for_a_header() -> None:
    data = Visits(
        visits=[VisitFact(visit_id=f'",,"traceparent":"{context(6)}"', customer_id="c", shop_id="s", visited_at=T1)]
    )
    event = VisitsRecorded(id="v", source=f',"traceparent":"{context(6)}"', time=T1, data=data)
    assert tracing.headers(encode(event)) == []


async def test_a_request_is_a_span_in_its_callers_trace(spans: Spans, collector: Collector) -> None:
    app = FastAPI()
    seen: list[Any] = []

    async def answer(number: int) -> None:
        seen.append((tracing.stamp(visit(number)).traceparent, get_contextvars().get("trace_id")))

    app.add_api_route("/things/{number}", answer)
    app.add_api_route("/health/live", answer)
    app.add_middleware(Requests, default=100, limits={})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        await http.get("/things/1", headers={"traceparent": context(7)})
        await http.get("/things/2", headers={"traceparent": "nonsense"})
        await http.get("/things/3", headers={"traceparent": context(7, "00")})
        await http.get("/health/live")
    called, own = sent(spans, collector)
    assert (called.name, called.trace_id, called.parent_id) == ("GET /things/{number}", f"{7:032x}", SPAN)
    assert called.attributes["http.response.status_code"] == 200
    assert own.parent_id == ""
    assert seen == [
        (f"00-{called.trace_id}-{called.span_id}-01", called.trace_id),
        (f"00-{own.trace_id}-{own.span_id}-01", own.trace_id),
        (UNSET, f"{7:032x}"),
    ]
    assert "things/1" not in json.dumps([span.attributes for span in collector.spans])


async def test_a_collector_that_is_away_holds_nobody_up(collector: Collector, spans: Spans) -> None:
    collector.status = 503
    for number in range(3000):
        with tracing.batch(heard(visit(0, context(number + 1)))):
            pass
    began = time.monotonic()
    spans.stop()
    assert time.monotonic() - began < 10
    assert collector.spans == []
