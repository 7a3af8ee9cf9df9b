"""The main job: a year of real orders through five services, every figure equal to one computed independently."""

import asyncio

from demo.figures import compare
from demo.history import load_history
from demo.reference import compute
from demo.replay import Replay
from demo.storefront import Doors, Http
from tests.flows.conftest import MakeSystem


async def test_a_year_of_real_orders_yields_every_reference_figure(make_system: MakeSystem) -> None:
    """MT1, MT2, MT3, MT8, LC1 to LC7, AH1, AH2, TG5, CP9: to the cent and to the row"""
    stack = await asyncio.to_thread(make_system)
    doors = Doors.of(stack.environment())
    played = await Replay(load_history(), doors).run()
    http = Http(doors)
    figures = await compare(http, played, compute())
    await http.close()
    assert len(figures) > 70
    assert [figure for figure in figures if not figure.equal] == []
