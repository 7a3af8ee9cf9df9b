"""`comeback simulate` as a person runs it: on time that a replay makes pass, and on the wall clock."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from demo.storefront import Doors, Http
from deploy.local.stack import Stack
from tests.flows.conftest import MakeSystem
from tools.main import app


def simulate(stack: Stack, *words: str) -> dict[str, list[str]]:
    """The lines of its table by name, each a list: what the system says, the truth."""
    environment = {"COMEBACK_HOME": str(stack.home.folder), "COLUMNS": "150"}
    result = CliRunner().invoke(app, ["simulate", *words], env=environment)
    assert result.exit_code == 0, (result.output, result.exception)
    lines = [re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) > 1}


def number(text: str) -> float:
    found = re.search(r"-?[\d,]+(\.\d+)?", text)
    assert found, text
    return float(found.group().replace(",", ""))


def refusal(stack: Stack | Path, *words: str) -> str:
    """What a person reads when it does not run."""
    home = stack if isinstance(stack, Path) else stack.home.folder
    command = [sys.executable, "-m", "tools.main", "simulate", *words]
    environment = {**os.environ, "COMEBACK_HOME": str(home), "COLUMNS": "150"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split())


async def interrupt(stack: Stack, *words: str) -> None:
    """Ctrl-C in the middle of a run: its campaign stays active, and its customers stop in the middle of their lives."""
    environment = {**os.environ, "COMEBACK_HOME": str(stack.home.folder)}
    # Started in the background, as a build may be, we ignore the signal, and so would whoever we start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tools.main", "simulate", *words], env=environment, stderr=asyncio.subprocess.PIPE
    )
    signal.signal(signal.SIGINT, before)
    async with asyncio.timeout(60):
        while not await active(stack):
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert process.returncode not in (0, None)
    assert b"Traceback" not in said
    assert await active(stack)


async def active(stack: Stack) -> list[str]:
    """The campaigns that may still decide."""
    http = Http(Doors.of(stack.environment()))
    try:
        return [each["name"] for each in await http.pages("targeting", "/v1/campaigns", status="active")]
    finally:
        await http.close()


async def test_a_known_truth_is_found_again(make_system: MakeSystem) -> None:
    """MT8 and the lift, through everything: on time that passes fast, then on the same system's wall clock."""
    stack = await asyncio.to_thread(make_system)
    too_many = await asyncio.to_thread(refusal, stack, "--rate", "5", "--seconds", "10")
    assert "ask for fewer customers or a rate of" in too_many
    words = ("--rate", "600", "--seconds", "10", "--customers", "400")
    await interrupt(stack, *words)
    found = await asyncio.to_thread(simulate, stack, *words)
    assert number(found["events sent"][0]) == 6000
    check(found, enough=100)
    await asyncio.to_thread(stack.up, "wall")
    words = ("--rate", "400", "--seconds", "16", "--customers", "600")
    found = await asyncio.to_thread(simulate, stack, *words)
    assert number(found["events sent"][0]) == 6400
    check(found, enough=80)
    assert await active(stack) == []
    assert "--speed needs" in await asyncio.to_thread(refusal, stack, "--speed", "3")
    await asyncio.to_thread(stack.kill, "coupons-worker")
    assert "comeback stack up" in await asyncio.to_thread(refusal, stack)


def check(found: dict[str, list[str]], enough: int) -> None:
    """Within chance of the truth, each arm for itself; which arm somebody is in is another draw in every system."""
    issued, redeemed = number(found["coupons issued"][0]), number(found["redemptions"][0])
    assert found["redemptions"][1] == f"{redeemed:,.0f} accepted, 0 refused"
    arms = {name: arm(found[f"recall of the {name}"]) for name in ("treated", "held out")}
    (_, back, treated, _), (_, _, held_out, _) = arms.values()
    assert (back, treated) == (redeemed, issued)
    assert treated > held_out > 0
    assert treated + held_out > enough
    for share, _, count, truth in arms.values():
        assert abs(share - truth) < 5 * (truth * (1 - truth) / count) ** 0.5
    assert 0.1 < number(found["lift"][1]) / 100 < 0.18
    assert found["its 95 % interval"][1] in ("holds it", "does not hold it")
    assert not [line for line in found if "not of this run" in line]


def arm(cells: list[str]) -> tuple[float, int, int, float]:
    """Share, numerator, denominator and the true share."""
    share, back, count = re.findall(r"[\d.]+", cells[0].replace(",", ""))
    return float(share) / 100, int(back), int(count), number(cells[1]) / 100


def test_a_stack_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert "comeback stack up" in refusal(tmp_path)
