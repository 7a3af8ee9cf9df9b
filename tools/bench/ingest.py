"""B7: batches of events over HTTP into Kafka, acknowledged; who calls is a process beside it, and counted too."""

import json
import subprocess
import sys
from typing import Any

import uvloop

from demo.storefront import Doors
from deploy.local.stack import Stack
from shared import topics
from tools.bench.load import BATCH
from tools.bench.measuring import cpu_seconds, own_stack, percentile, resident_mib, spent, stop_workers
from tools.bench.reading import read_all
from tools.output import err

_WARMING = 50
_CALLER = "load-generator"


def measure(events: int, callers: int) -> dict[str, Any]:
    """The workers are stopped: what is taken in stays in Kafka, and is counted there."""
    with own_stack() as (stack, _):
        stop_workers(stack)
        _call(stack, _WARMING, callers)
        before = cpu_seconds(stack)
        with err.status(f"{events:,} events over HTTP ..."):
            found = _call(stack, events // BATCH, callers)
        used = spent(before, cpu_seconds(stack)) | {_CALLER: round(found["cpu_seconds"], 2)}
        counted = uvloop.run(_count(Doors.of(stack.environment()).bootstrap))
        memory = resident_mib(stack)
    return _figures(found, used) | {"callers": callers, "in_kafka": counted - _WARMING * BATCH, "resident_mib": memory}


def _call(stack: Stack, calls: int, callers: int) -> dict[str, Any]:
    doors = Doors.of(stack.environment())
    command = [sys.executable, "-m", "tools.bench.calling", doors.urls["profile"], doors.api_key, str(calls)]
    told = subprocess.run([*command, str(callers)], stdout=subprocess.PIPE, check=True)
    return json.loads(told.stdout)


def _figures(found: dict[str, Any], used: dict[str, float]) -> dict[str, Any]:
    acknowledged, waited = found["statuses"].get("200", 0) * BATCH, sorted(found["waited_ms"])
    per_event = {name: round(seconds / acknowledged * 1e6, 1) for name, seconds in used.items()}
    return {
        "acknowledged": acknowledged,
        "statuses": found["statuses"],
        "seconds": round(found["seconds"], 2),
        "events_per_second": round(acknowledged / found["seconds"]),
        "p50_ms": round(percentile(waited, 0.5), 1),
        "p99_ms": round(percentile(waited, 0.99), 1),
        "cpu_seconds": used,
        "cpu_us_per_event": per_event | {"total": round(sum(used.values()) / acknowledged * 1e6, 1)},
    }


async def _count(bootstrap: str) -> int:
    wanted = [topics.STOREFRONT_ORDERS, topics.STOREFRONT_VISITS]
    return sum([len(records) async for records in read_all(bootstrap, wanted)])
