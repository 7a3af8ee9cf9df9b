"""B9: the replay of a year of real orders, its figures compared."""

from typing import Any

import uvloop

from demo.figures import compare
from demo.history import load_history
from demo.reference import compute
from demo.replay import Replay
from demo.storefront import Doors, Http
from tools.bench.measuring import cpu_seconds, own_stack, resident_mib, spent
from tools.output import err


def measure() -> dict[str, Any]:
    with own_stack() as (stack, ready):
        idle = resident_mib(stack)
        before = cpu_seconds(stack)
        with err.status("Replaying ..."):
            found = uvloop.run(_replay(Doors.of(stack.environment())))
        return found | {
            "ready_seconds": ready,
            "first_coupon_seconds": ready + found.pop("first_coupon"),
            "idle_resident_mib": sum(idle.values()),
            "resident_mib": sum(resident_mib(stack).values()),
            "cpu_seconds": spent(before, cpu_seconds(stack)),
        }


async def _replay(doors: Doors) -> dict[str, Any]:
    history = load_history()
    played = await Replay(history, doors).run()
    orders = sum(len(day.baskets) for day in history.days)
    http = Http(doors)
    figures = await compare(http, played, compute())
    await http.close()
    return {
        "seconds": round(played.seconds, 1),
        "first_coupon": round(played.first_coupon_seconds or 0, 1),
        "events_per_second": round(orders / played.seconds),
        "orders": orders,
        "ticks": len(history.ticks_us),
        "differing": sum(not figure.equal for figure in figures),
    }
