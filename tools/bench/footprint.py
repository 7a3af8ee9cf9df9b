"""B11: the memory of the whole system, idle and under a steady load."""

import time
from typing import Any

import uvloop

from tools.bench.freshness import prepare, tell_steadily
from tools.bench.load import Load
from tools.bench.measuring import own_stack, resident_mib
from tools.output import err

_IDLE_SECONDS = 10
_CUSTOMERS = 200_000


def measure(rate: int, seconds: int) -> dict[str, Any]:
    with own_stack(clock="wall") as (stack, ready):
        time.sleep(_IDLE_SECONDS)
        idle = resident_mib(stack)
        environment, load = stack.environment(), Load(_CUSTOMERS)
        uvloop.run(prepare(environment, load, seconds))
        with err.status(f"{rate:,} events a second for {seconds} s ..."):
            told, took = uvloop.run(tell_steadily(environment, load, rate, seconds))
        loaded = resident_mib(stack)
    return {
        "ready_seconds": ready,
        "idle_mib": idle,
        "resident_mib": sum(idle.values()),
        "rate": round(told / took),
        "loaded_mib": loaded,
        "loaded_resident_mib": sum(loaded.values()),
    }
