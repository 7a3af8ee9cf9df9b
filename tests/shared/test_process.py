"""A process ends when one of its parts does, whatever the libraries in the others make of it."""

import asyncio
from contextlib import suppress

import pytest

from deploy.local.stack import Stack
from services.profile.consumers import consumers
from services.profile.timers import on_tick
from shared.broker import create_topics
from shared.database import Database
from shared.kafka import Consumer
from shared.process import end
from shared.worker import Wiring, Worker


async def test_a_part_that_swallows_once_that_it_is_to_end_ends_all_the_same() -> None:
    """P5: seen in the crash suite, where a worker went on without its relay"""
    ended: list[str] = []

    async def swallows() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("swallows")

    async def obeys() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("obeys")

    tasks = [asyncio.create_task(swallows()), asyncio.create_task(obeys())]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(tasks, patience=0.05)
    assert ended == ["obeys", "swallows"]


async def test_a_part_that_takes_its_time_to_leave_is_not_cut_off() -> None:
    left: list[bool] = []

    async def leaves() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.2)
            left.append(True)

    task = asyncio.create_task(leaves())
    await asyncio.sleep(0)
    await end([task], patience=2)
    assert left == [True]


async def test_a_worker_that_is_to_end_while_its_client_closes_ends(
    servers: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P5, row 12: the database is away, so the client is closed and made anew again and again"""
    closing, stop = asyncio.Event(), Consumer.stop

    async def stop_and_swallow(consumer: Consumer) -> None:
        # As the client does while it waits for a task of its own that it has cancelled.
        closing.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.3)
        await stop(consumer)

    monkeypatch.setattr(Consumer, "stop", stop_and_swallow)
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", wait_seconds=1)
    bootstrap = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    await create_topics(bootstrap, 2)
    worker = Worker(Wiring("profile", bootstrap, database, consumers, on_tick, tells=True, info={}))
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        await closing.wait()
        task.cancel()
        await asyncio.wait([task], timeout=10)
    assert task.cancelled()
