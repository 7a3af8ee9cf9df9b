"""The worker on a real Kafka: everything applied once, poison parked, positions ours."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest

from deploy.local.stack import Stack
from services.profile.consumers import consumers, on_storefront_order_completed
from shared import topics
from shared.buffers import PositionLost
from shared.clock import BEGINNING
from shared.database import Session, execute
from shared.inbox import Partition
from shared.retrying import Retrier
from shared.worker import Worker
from tests.conftest import FreshDatabase
from tests.support.doing import IDS, rows
from tests.support.working import T0, Running, order, running_on


@pytest.fixture
async def running(servers: Stack, fresh_database: FreshDatabase) -> AsyncIterator[Running]:
    async with running_on(servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"], await fresh_database("profile")) as found:
        yield found


async def test_what_was_told_is_applied_and_the_clock_follows(running: Running) -> None:
    await running.send(*(order(number, source_id=f"c{number % 3}") for number in range(50)))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 50
    await running.check_positions()


async def test_a_worker_reads_no_further_than_it_is_told(running: Running) -> None:
    """What `comeback verify --rebuild` rests on while the log grows"""
    await running.send(order(1, source_id="anna"), order(2, source_id="bert"), key="same")
    here, there = await positions(running), (topics.STOREFRONT_ORDERS, crc32(b"same") % 2)
    freely = running.wiring
    running.wiring = replace(freely, until=here | {there: here[there] + 1})
    async with running.working(), asyncio.timeout(30):
        while await running.orders() < 1:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
    assert await running.orders() == 1
    assert await positions(running) == running.wiring.until
    running.wiring = freely
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 2
    await running.check_positions()


async def positions(running: Running) -> dict[Partition, int]:
    found = await rows(running.database, "SELECT topic, partition, next_offset FROM inbox")
    return {(row["topic"], row["partition"]): row["next_offset"] for row in found}


async def test_poison_is_parked_with_its_bytes_and_disturbs_nothing_else(running: Running) -> None:
    """I13, rows 32 and 33 of the fault list"""
    good = [order(number, source_id="anna") for number in range(20)]
    refused = order(99)
    await running.send(*good[:10], b"\xff\x00", refused, *good[10:], b'{"type": "nothing we know"}')
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 20
    parked = {row["body"]: row["reason"] for row in await rows(running.database, "SELECT body, reason FROM parked")}
    assert parked.keys() == {b"\xff\x00", refused, b'{"type": "nothing we know"}'}
    assert "an order needs a customer" in parked[refused]
    await running.check_positions()


async def test_of_a_batch_of_500_only_the_event_that_always_raises_is_parked(running: Running) -> None:
    """I13, row 33: what is no fault of the data is tried three times; retried later it has one effect"""
    tries: list[int] = []
    broken = True

    async def handle(session: Session, events: Iterable[Any]) -> None:
        order_ids = [event.data.order_id for event in events]
        if "o77" in order_ids and broken:
            tries.append(len(order_ids))
            raise RuntimeError("a mistake of ours")
        await on_storefront_order_completed(session, events)

    running.paid_orders_go_to(handle)
    await running.send(*(order(number, source_id="anna") for number in range(500)))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 499
    assert tries.count(1) == 3
    [parked] = await rows(running.database, "SELECT reason FROM parked")
    assert parked["reason"] == "RuntimeError: a mistake of ours"
    await running.check_positions()
    broken = False
    async with running.database.transaction() as session:
        await execute(session, "UPDATE parked SET retry_requested_at = now()")
    assert await Retrier(running.database, running.wiring.consumers, {"service": "profile", "ids": IDS}).retry_one()
    assert await running.orders() == 500
    assert len(await rows(running.database, "SELECT 1 FROM orders")) == 500
    await running.check_positions()


async def test_an_accident_that_does_not_come_again_parks_nothing(running: Running) -> None:
    """Row 33"""
    accidents = 3

    async def handle(session: Session, events: Iterable[Any]) -> None:
        nonlocal accidents
        if accidents:
            accidents -= 1
            raise RuntimeError("an accident")
        await on_storefront_order_completed(session, events)

    running.paid_orders_go_to(handle)
    await running.send(order(1, source_id="anna"))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    assert await running.orders() == 1
    assert await rows(running.database, "SELECT * FROM parked") == []


async def test_a_parked_record_is_applied_once_when_it_is_mended_and_retried(running: Running) -> None:
    """I13"""
    await running.send(order(1))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    retrier = Retrier(running.database, consumers, {"service": "profile", "ids": IDS})
    assert not await retrier.retry_one(), "nobody has asked"
    async with running.database.transaction() as session:
        await execute(session, "UPDATE parked SET retry_requested_at = now()")
    assert await retrier.retry_one()
    [row] = await rows(running.database, "SELECT attempts, retry_requested_at FROM parked")
    assert (row["attempts"], row["retry_requested_at"]) == (2, None)
    async with running.database.transaction() as session:
        body = order(1, source_id="anna")
        await execute(session, "UPDATE parked SET retry_requested_at = now(), body = $1", body)
    assert await retrier.retry_one()
    assert await running.orders() == 1
    assert await rows(running.database, "SELECT * FROM parked") == []
    await running.check_positions()


async def test_records_delivered_again_after_a_lost_commit_have_no_second_effect(running: Running) -> None:
    await running.send(*(order(number, source_id="anna") for number in range(10)))
    await running.tick(T0 + timedelta(days=1))
    async with running.working():
        await running.until(T0 + timedelta(days=1))
    # Whatever Kafka remembers of the group, the position is the database's.
    async with running.working():
        await running.send(order(11, source_id="anna"))
        await running.tick(T0 + timedelta(days=2))
        await running.until(T0 + timedelta(days=2))
    assert await running.orders() == 11
    await running.check_positions()


async def test_two_workers_share_the_partitions_and_one_clock(running: Running) -> None:
    async with running.working(workers=2):
        for day in range(1, 6):
            await running.send(*(order(day * 100 + number, source_id=f"c{number}") for number in range(20)))
            await running.tick(T0 + timedelta(days=day))
        await running.until(T0 + timedelta(days=5))
    assert await running.orders() == 100
    await running.check_positions()


async def test_a_stored_position_outside_the_log_stops_the_worker_loudly(running: Running) -> None:
    async with running.database.transaction() as session:
        await execute(session, "UPDATE inbox SET next_offset = next_offset + 1000, first_offset = first_offset + 1000")
    with pytest.raises(PositionLost, match="stored position"):
        await asyncio.wait_for(Worker(running.wiring).run(), 30)


async def test_nothing_is_decided_before_the_first_tick_of_every_partition(running: Running) -> None:
    await running.send(order(1, source_id="anna"))
    async with running.working():
        async with asyncio.timeout(30):
            while await running.orders() < 1:
                await asyncio.sleep(0.05)
    assert (await rows(running.database, "SELECT at FROM clock"))[0]["at"] == BEGINNING
