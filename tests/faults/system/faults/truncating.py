"""The log has lost what a worker had not read: it must stop loudly and skip nothing, and the runbook must help
(docs/runbooks/position-lost.md)."""

import asyncio
import os
import subprocess
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from shared import topics
from tests.faults.system.ground import Ground
from tools.asking import database_of

_WORKER = "profile-worker"
_TOPIC = topics.STOREFRONT_ORDERS
_POSITIONS = "SELECT partition, next_offset FROM inbox WHERE topic = $1 ORDER BY partition"
# As the runbook says it.
_GO_ON = """UPDATE inbox SET first_offset = first_offset + $1 - next_offset, next_offset = $1
            WHERE topic = $2 AND partition = $3"""


async def log_truncated(ground: Ground) -> str:
    """A day's orders are deleted before profile has read them; then the shop sends them again."""
    ground.release(1)
    await ground.until_passed(1)
    await ground.platform.stop(_WORKER)
    before = await _positions(ground)
    await ground.tell(1)
    firsts = await _truncate(ground.stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"])
    lost = {number: first for number, first in firsts.items() if first > before[number]}
    assert lost, "nothing that was still to be read has been deleted"
    for _ in range(2):
        code, said = await _run_worker(ground)
        last = said.strip().splitlines()[-1]
        assert code == 1, f"it ended with {code}: {last}"
        for words in ("process.failed", "PositionLost", f"('{_TOPIC}', ", ": stored position ", ", but the log holds "):
            assert words in said, f"it does not say {words}: {said}"
        assert await _positions(ground) == before, "something was skipped"
    await _go_on(ground, lost)
    ground.platform.down.clear()
    ground.release(2)
    await ground.until_passed(2)
    return f"{_WORKER} stopped at a log that begins at {lost} instead of {before}, and went on by its runbook"


async def _run_worker(ground: Ground) -> tuple[int | None, str]:
    """How it ends, and what it says until then."""
    command = ground.stack.command(_WORKER)
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        env={**os.environ, **command.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(40):
            said, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        raise AssertionError(f"{_WORKER} goes on although its position is lost") from error
    return process.returncode, said.decode()


async def _positions(ground: Ground) -> dict[int, int]:
    connection = await asyncpg.connect(database_of(ground.stack, "profile"))
    try:
        return dict(map(tuple, await connection.fetch(_POSITIONS, _TOPIC)))
    finally:
        await connection.close()


async def _go_on(ground: Ground, firsts: dict[int, int]) -> None:
    connection = await asyncpg.connect(database_of(ground.stack, "profile"))
    try:
        for number, first in firsts.items():
            await connection.execute(_GO_ON, first, _TOPIC, number)
    finally:
        await connection.close()


async def _truncate(bootstrap: str) -> dict[int, int]:
    """By partition: where the log begins now, which is its end."""
    reader: Any = AIOKafkaConsumer(_TOPIC, bootstrap_servers=bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await reader.start()
    await admin.start()
    try:
        parts = [TopicPartition(_TOPIC, number) for number in reader.partitions_for_topic(_TOPIC)]
        ends = await reader.end_offsets(parts)
        await admin.delete_records({part: RecordsToDelete(before_offset=end) for part, end in ends.items()})
        return {part.partition: end for part, end in ends.items()}
    finally:
        await reader.stop()
        await admin.close()
