"""What the ingest door holds, and that several requests share a way to Kafka without losing their order."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from services.profile.routes.bundling import Bundles
from services.profile.routes.room import Place, Room
from shared.errors import TooMany
from shared.kafka import KafkaError


def test_there_is_room_for_so_many_bytes_and_no_more() -> None:
    room, one, other = Room(100), Place(), Place()
    room.take(one, 60)
    room.take(other, 40)
    with pytest.raises(TooMany):
        room.take(other, 1)
    room.leave(one)
    room.take(other, 60)
    room.leave(other)
    assert room.taken == 0


def test_one_key_has_half_of_it() -> None:
    """Row 49: who floods us leaves room for the others"""
    room, flood, other = Room(100), Place(), Place()
    room.belongs_to(flood, "one")
    room.take(flood, 50)
    with pytest.raises(TooMany):
        room.take(flood, 1)
    second = Place()
    room.take(second, 10)
    with pytest.raises(TooMany):
        room.belongs_to(second, "one")
    room.leave(second)
    room.belongs_to(other, "two")
    room.take(other, 50)
    for place in (flood, other):
        room.leave(place)
    assert room.taken == 0


async def test_what_nobody_waits_for_any_more_counts_until_it_is_gone() -> None:
    room, place = Room(100), Place()
    room.take(place, 80)
    place.waiting = [asyncio.get_running_loop().create_future() for _ in range(2)]
    room.leave(place)
    place.waiting[0].set_result(None)
    await asyncio.sleep(0)
    assert room.taken == 80
    place.waiting[1].set_exception(KafkaError())
    await asyncio.sleep(0.01)
    assert room.taken == 0


class Broker:
    """Acknowledges when it is told to; what it was given, call by call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[tuple[str, bytes]]]] = []
        self.may_answer = asyncio.Event()
        self.refused = b""

    async def publish(self, topic: str, messages: list[tuple[str, bytes]]) -> None:
        self.calls.append((topic, messages))
        await self.may_answer.wait()
        if self.refused in [body for _, body in messages]:
            raise KafkaError("no")


async def test_while_a_bundle_is_under_way_the_next_one_grows_in_order() -> None:
    """P2"""
    broker = Broker()
    bundles = Bundles(SimpleNamespace(producer=broker))
    waits: list[Any] = []
    for number in range(5):
        waits += bundles.add([("a", "key", b"%d" % number), ("b", "key", b"%d" % number)])
        await asyncio.sleep(0)
    assert sorted(topic for topic, _ in broker.calls) == ["a", "b"]
    assert not any(each.done() for each in waits)
    broker.may_answer.set()
    await asyncio.gather(*waits)
    for wanted in ("a", "b"):
        calls = [[body for _, body in messages] for topic, messages in broker.calls if topic == wanted]
        assert calls == [[b"0"], [b"1", b"2", b"3", b"4"]]


async def test_a_bundle_that_fails_fails_for_its_own_requests_only() -> None:
    broker = Broker()
    bundles = Bundles(SimpleNamespace(producer=broker))
    [first] = bundles.add([("a", "key", b"0")])
    await asyncio.sleep(0)
    [second] = bundles.add([("a", "key", b"1")])
    broker.refused = b"0"
    broker.may_answer.set()
    with pytest.raises(KafkaError):
        await first
    await second
