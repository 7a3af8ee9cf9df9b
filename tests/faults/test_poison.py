"""Broken data at both doors: parked whole with its reason, or refused with one; what came beside it takes effect.

Rows 32-39 of the fault list and I13, on a real Kafka and through the real worker, and through the real ingest.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.local.stack import Stack
from services.profile.app import make_app
from services.profile.consumers import on_storefront_order_completed
from services.profile.settings import Settings
from shared import topics
from shared.broker import create_topics
from shared.database import Database, Session
from shared.events.codec import MAX_BYTES
from shared.events.profile import OrderPaid
from shared.retrying import Retrier
from tests.conftest import FreshDatabase
from tests.support.doing import IDS, client, rows, settings_for, told
from tests.support.working import T0, Running, order, running_on
from tools.main import app as comeback

DONE = T0 + timedelta(days=9)


def changed(old: bytes, new: bytes) -> bytes:
    good = order(99, total=12345, source_id="anna")
    assert old in good
    return good.replace(old, new)


# What breaks a rule, and how its reason begins to read.
BROKEN: dict[str, tuple[bytes | None, str]] = {
    "null value": (None, "no value"),
    "nothing": (b"", "truncated"),
    "half of it": (changed(b"", b"")[:100], "truncated"),
    "broken UTF-8": (changed(b"o99", b"o\xff\xfe"), "utf-8"),
    "wrong type": (changed(b"12345", b'"12345"'), "$.data.total"),
    "wrong shape": (b'[{"type":1}]', "expected `object`"),
    "over 1 MiB": (changed(b'"data":{', b'"more":"' + b"x" * MAX_BYTES + b'","data":{'), f"more than {MAX_BYTES}"),
    "U+0000": (changed(b"o99", b"o\\u0000"), "u+0000"),
    "U+0000 in a key of the order": (changed(b'"anna"', b'"an\\u0000na"'), "u+0000"),
    "half a character": (changed(b"o99", b"o\\ud800"), "surrogate"),
    "NaN": (changed(b"12345", b"NaN"), "malformed"),
    "Infinity": (changed(b"12345", b"-Infinity"), "malformed"),
    "1e400": (changed(b"12345", b"1e400"), "out of range"),
    "2^53": (changed(b"12345", b"9007199254740992"), "$.data.total"),
    "2^63": (changed(b"12345", b"9223372036854775808"), "$.data.total"),
    "2^64": (changed(b"12345", b"18446744073709551616"), "int"),
    "5,000 digits": (changed(b"12345", b"9" * 5_000), "out of range"),
    "100,000 deep": (changed(b'"data":{', b'"more":' + b"[" * 100_000 + b"]" * 100_000 + b',"data":{'), "recursion"),
    "an order of nobody": (order(98), "needs a customer"),
}

# What looks broken and is not, by a rule: of a key that comes twice the last one counts (38), an unknown field is
# ignored whatever it holds, and a record of just under 1 MiB is one like any other.
SOUND = {
    "duplicate keys": order(1, 100, source_id="anna").replace(b'"total":100', b'"total":5,"total":100'),
    "unknown field": order(2, 100, source_id="anna").replace(b'"data":{', b'"more":[1e300,[[[]]],{"a":null}],"data":{'),
    "nearly 1 MiB": order(3, 100, source_id="anna").replace(
        b'"data":{', b'"more":"' + b"x" * (MAX_BYTES - 400) + b'","data":{'
    ),
}


@pytest.fixture
async def running(servers: Stack, fresh_database: FreshDatabase) -> AsyncIterator[Running]:
    async with running_on(servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"], await fresh_database("profile")) as found:
        yield found


async def test_whatever_is_broken_is_parked_whole_and_what_stands_beside_it_is_applied(running: Running) -> None:
    """I13, rows 32 and 34-39"""
    good = [order(100 + number, 100, source_id="anna") for number in range(len(BROKEN))]
    mixed: list[Any] = [*SOUND.values()]
    for one, (body, _) in zip(good, BROKEN.values(), strict=True):
        mixed += [body, one]
    first = await rows(running.database, "SELECT topic, partition, next_offset FROM inbox WHERE topic = $1", ORDERS)
    await running.send(*mixed)
    await running.tick(DONE)
    async with running.working():
        await running.until(DONE)
    assert await running.orders() == len(good) + len(SOUND)
    spent = await rows(running.database, "SELECT sum(paid_amount)::int AS spent FROM customer_spend")
    assert spent == [{"spent": 100 * (len(good) + len(SOUND))}]
    await check_parked(running, {row["partition"]: row["next_offset"] for row in first})
    await running.check_positions()


ORDERS = topics.STOREFRONT_ORDERS


async def check_parked(running: Running, starts: dict[int, int]) -> None:
    """All of them, in the order in which they came, each at its place, with key, bytes, reason and when."""
    found = await rows(running.database, "SELECT * FROM parked ORDER BY record_offset")
    assert [row["body"] for row in found] == [body for body, _ in BROKEN.values()]
    for number, (row, (name, (_, reason))) in enumerate(zip(found, BROKEN.items(), strict=True)):
        offset = starts[row["partition"]] + len(SOUND) + 2 * number
        assert (row["topic"], row["record_offset"], row["key"], row["attempts"]) == (ORDERS, offset, b"key", 1), name
        assert reason in row["reason"].lower(), f"{name}: {row['reason']}"
        assert row["parked_at"] is not None
        assert row["retry_requested_at"] is None


async def test_a_reason_that_cannot_be_stored_as_it_is_does_not_stop_the_worker(running: Running) -> None:
    """Rows 33-35: the reason quotes what PostgreSQL refuses"""

    async def handle(session: Session, events: Iterable[Any]) -> None:
        if any(event.data.order_id == "o7" for event in events):
            raise RuntimeError("a quotation: \x00 \ud800")
        await on_storefront_order_completed(session, events)

    running.paid_orders_go_to(handle)
    await running.send(*(order(number, source_id="anna") for number in range(20)))
    await running.tick(DONE)
    async with running.working():
        await running.until(DONE)
    assert await running.orders() == 19
    [parked] = await rows(running.database, "SELECT reason FROM parked")
    assert parked["reason"] == "RuntimeError: a quotation: \\0 \\ud800"


async def test_the_command_to_retry_applies_what_our_own_fault_had_parked_exactly_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I13, row 33: `comeback events retry`, twice, while the worker goes on; a newer fact that came meanwhile stays"""
    broken = True

    async def handle(session: Session, events: Iterable[Any]) -> None:
        if broken and any(event.data.order_id == "o77" for event in events):
            raise RuntimeError("a mistake of ours")
        await on_storefront_order_completed(session, events)

    running.paid_orders_go_to(handle)
    await running.send(*(order(number, source_id=f"c{number % 9}") for number in range(500)))
    await running.tick(DONE)
    async with running.working():
        await running.until(DONE)
        assert await running.orders() == 499
        broken = False
        retrier = Retrier(running.database, running.wiring.consumers, {"service": "profile", "ids": IDS})
        retrying = asyncio.create_task(retrier.run())
        point_the_command_at(running, monkeypatch)
        place = await place_of_parked(running)
        for arguments in (["show", "profile", place], ["retry", "profile", place], ["retry", "profile"]):
            # The second time it may be applied already, and then nothing is parked: exit code 1.
            assert await run_command(*arguments) in (0, 1)
        async with asyncio.timeout(20):
            while await rows(running.database, "SELECT 1 FROM parked"):
                await asyncio.sleep(0.05)
        await running.send(order(501, source_id="c1"))
        await running.tick(DONE + timedelta(days=1))
        await running.until(DONE + timedelta(days=1))
        retrying.cancel()
        await asyncio.gather(retrying, return_exceptions=True)
    assert await run_command("retry", "profile") == 1
    assert await running.orders() == 501
    paid = [event.data.order_id for event in await told(running.database) if isinstance(event, OrderPaid)]
    assert sorted(paid) == sorted([*(f"o{number}" for number in range(500)), "o501"])
    await running.check_positions()


async def place_of_parked(running: Running) -> str:
    [row] = await rows(running.database, "SELECT * FROM parked")
    assert row["reason"] == "RuntimeError: a mistake of ours"
    return f"{row['topic']}/{row['partition']}/{row['record_offset']}"


def point_the_command_at(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.asking.database_of", lambda _stack, _service: running.database.url)


async def run_command(*arguments: str) -> int:
    return (await asyncio.to_thread(CliRunner().invoke, comeback, ["events", *arguments])).exit_code


@dataclass
class Door:
    http: httpx.AsyncClient
    database: Database
    sent: list[tuple[str, bytes]]

    async def post(self, call: str, body: bytes) -> httpx.Response:
        return await self.http.post(f"/v1/{call}", content=body, headers={"Content-Type": "application/json"})


@pytest.fixture
async def door(servers: Stack, fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """The real ingest before a real broker; what it sends is written down on the way."""
    bootstrap = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    await create_topics(bootstrap, 2)
    database = await fresh_database("profile")
    app = make_app(settings_for(database, Settings).model_copy(update={"kafka_bootstrap": bootstrap}))
    producer = app.state.producer
    await producer.start()
    sent: list[tuple[str, bytes]] = []
    publish = producer.publish

    async def write_down(topic: str, messages: list[tuple[str, bytes]]) -> None:
        await publish(topic, messages)
        sent.extend(messages)

    monkeypatch.setattr(producer, "publish", write_down)
    async with client(app, database) as http:
        yield Door(http, database, sent)
    await producer.stop()


TRACK = b'{"userId":"anna","event":"Order Completed","properties":{"order_id":"o1","total":12.34,"currency":"USD"}}'


def tracked(old: bytes, new: bytes) -> bytes:
    assert old in TRACK
    return TRACK.replace(old, new, 1)


# Bodies that are no JSON at all: no call can be read out of them.
NO_JSON = {
    "nothing": b"",
    "null": b"null",
    "half of it": TRACK[:40],
    "broken UTF-8": tracked(b"anna", b"an\xff"),
    "NaN": tracked(b"12.34", b"NaN"),
    "Infinity": tracked(b"12.34", b"-Infinity"),
    "half a character": tracked(b"anna", b"\\ud800"),
    "deep": tracked(b'"order_id"', b'"more":' + b"[" * 15_000 + b',"order_id"'),
    "100,000 deep": b"[" * 100_000,
    "1 MiB": b'{"userId":"' + b"x" * 1_048_576 + b'"}',
}

# JSON, but no event of ours: the field that is to blame, as a pointer.
NO_EVENT = {
    "an event of broken UTF-8": (tracked(b"anna", b"an\xff"), None),
    "U+0000": (tracked(b"anna", b"an\\u0000na"), None),
    "wrong type": (tracked(b'"anna"', b"5"), "/userId"),
    "wrong shape": (tracked(b'"USD"', b'["USD"]'), "/properties/currency"),
    "money as truth": (tracked(b"12.34", b"true"), "/properties/total"),
    "1e400": (tracked(b"12.34", b"1e400"), "/properties/total"),
    "2^53": (tracked(b"12.34", b"90071992547409.92"), "/properties/total"),
    "2^63": (tracked(b"12.34", b"9223372036854775808"), "/properties/total"),
    "2^64": (tracked(b"12.34", b"18446744073709551616"), "/properties/total"),
    "5,000 digits": (tracked(b"12.34", b"9" * 5_000), "/properties/total"),
    "5,000 digits behind the point": (tracked(b"12.34", b"0." + b"9" * 5_000), "/properties/total"),
    "an exponent of 5,000 digits": (tracked(b"12.34", b"1e" + b"9" * 5_000), "/properties/total"),
    "an id without end": (tracked(b"anna", b"a" * 10_000), "/userId"),
}


@pytest.mark.parametrize("name", [*NO_JSON, *NO_EVENT])
async def test_a_broken_call_is_refused_with_code_and_pointer_and_never_500(door: Door, name: str) -> None:
    """Rows 32 and 34-39"""
    body, pointer = (NO_JSON[name], None) if name in NO_JSON else NO_EVENT[name]
    for call in ("track",) if name in NO_EVENT else ("track", "page", "identify", "batch"):
        answer = await door.post(call, body)
        assert 400 <= answer.status_code < 500, f"{call}: {answer.text}"
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["code"]
        assert "traceback" not in answer.text.lower()
        if pointer is not None:
            assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert door.sent == []
    assert await rows(door.database, "SELECT 1 FROM parked") == []


async def test_of_a_batch_the_broken_events_are_parked_with_their_bytes_and_the_good_ones_sent(door: Door) -> None:
    """I13, rows 32 and 34-39"""
    good = [tracked(b"o1", f"good{number}".encode()) for number in range(len(NO_EVENT))]
    mixed: list[bytes] = []
    for one, (body, _) in zip(good, NO_EVENT.values(), strict=True):
        mixed += [
            body.replace(b'"event"', b'"type":"track","event"'),
            one.replace(b'"event"', b'"type":"track","event"'),
        ]
    answer = await door.post("batch", b'{"batch":[' + b",".join(mixed) + b"]}")
    assert answer.status_code == 200, answer.text
    told_back = answer.json()
    assert (told_back["success"], told_back["taken"]) == (False, len(good))
    pointers = [each["pointer"] for each in told_back["errors"]]
    assert pointers == [f"/batch/{2 * number}{pointer or ''}" for number, (_, pointer) in enumerate(NO_EVENT.values())]
    assert all(each["code"] and each["detail"] for each in told_back["errors"])
    assert len(door.sent) == len(good)
    parked = await rows(door.database, "SELECT topic, body, reason FROM parked ORDER BY record_offset")
    assert [row["body"] for row in parked] == mixed[::2]
    assert {row["topic"] for row in parked} == {"http"}
    assert all(row["reason"] for row in parked)


async def test_what_only_looks_broken_is_taken_by_a_rule(door: Door) -> None:
    """Rows 38 and 40: the last of duplicate keys counts; unknown fields are ignored whatever they hold"""
    twice = tracked(b'"total":12.34', b'"total":99,"total":12.34')
    unknown = tracked(b'"order_id"', b'"more":[1e300,9223372036854775808,[[[[]]]],null],"order_id"')
    emoji = tracked(b"anna", "e\u0301\u200d\U0001f600\u202e".encode())
    for body in (twice, unknown, emoji):
        assert (await door.post("track", body)).status_code == 200
    assert [json.loads(body)["data"]["total"] for _, body in door.sent] == [1234] * 3
    assert json.loads(door.sent[2][1])["data"]["person"]["source_id"] == "e\u0301\u200d\U0001f600\u202e"
