"""`python -m tests.faults.system --seeds N --minutes M [--first-seed K] [--faults a,b]`: seed after seed, a line each.

Exit code 1 when the tables of any seed differ from those of its undisturbed world. `make chaos` calls it.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.stack import Stack
from deploy.local.state import State
from tests.faults.system.faults import FAULTS
from tests.faults.system.ground import new_stack
from tests.faults.system.run import Run, Tables, shop_of, undisturbed
from tests.faults.system.schedule import order_of, world_of
from tests.flows.tables import differences

_LESS = "the log is not whole any more"


def main() -> int:
    arguments = _arguments()
    for noisy in ("aiokafka", "asyncio"):  # they log each failure that they also raise
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    state, end = State(), time.monotonic() + arguments.minutes * 60
    known: dict[int, list[Tables]] = {}
    failed: list[int] = []
    played = 0
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        if played and time.monotonic() > end:
            break
        faults = [name for name in order_of(seed) if name in arguments.faults]
        if world_of(seed) not in known:
            with new_stack(state) as stack:
                known = {world_of(seed): asyncio.run(undisturbed(stack, world_of(seed), len(faults)))}
        if not _play(seed, faults, state, known[world_of(seed)], arguments.verbose):
            failed.append(seed)
        played += 1
    _say(f"{played} seeds, {len(failed)} of them with differences{': ' if failed else ''}{failed or ''}")
    return 1 if failed else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.system", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many, one after the other")
    parser.add_argument("--minutes", type=float, default=60, help="no seed is begun after so many")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--faults", type=lambda text: text.split(","), default=list(FAULTS), help="only these")
    parser.add_argument("--verbose", action="store_true", help="say what each fault did")
    arguments = parser.parse_args()
    if unknown := set(arguments.faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    return arguments


def _play(seed: int, faults: list[str], state: State, expected: list[Tables], verbose: bool) -> bool:
    """One line, and whether all tables were equal."""
    since = time.monotonic()
    with new_stack(state) as stack:
        wrong = asyncio.run(_befall(stack, seed, faults, expected, verbose))
        outcome = "equal" if not wrong else "DIFFERENT"
        _say(f"seed {seed}: {', '.join(faults)}: {time.monotonic() - since:.0f} s, {outcome}")
        if wrong:
            _say(f"  {wrong}\n  logs: {_keep_logs(stack, seed)}")
            _say(f"  again: {_replay(seed, faults)}")
    return not wrong


async def _befall(stack: Stack, seed: int, faults: list[str], expected: list[Tables], verbose: bool) -> str:
    """What is wrong after the first fault that leaves anything wrong; empty if none does."""
    run = Run(stack, shop_of(world_of(seed), len(expected)), seed)
    async with run.playing():
        for name, tables in zip(faults, expected, strict=True):
            since = time.monotonic()
            try:
                happened = await run.pass_episode(FAULTS[name])
                wrong = differences(tables, await run.at_rest())
            except Exception as error:
                return f"{name}: {error!r}"
            if wrong:
                return f"{name} ({happened}): " + "\n  ".join(wrong)
            if verbose:
                _say(f"  {time.monotonic() - since:5.1f} s  {name}: {happened}")
        # What a fault has deleted of the log can be rebuilt no more.
        return "\n  ".join(each for each in await run.rebuilt() if _LESS not in each)


def _keep_logs(stack: Stack, seed: int) -> Path:
    kept = Path(tempfile.mkdtemp(prefix=f"comeback-chaos-seed-{seed}-"))
    return Path(shutil.copytree(stack.home.logs, kept / "logs"))


def _replay(seed: int, faults: list[str]) -> str:
    chosen = f" --faults {','.join(faults)}" if len(faults) < len(FAULTS) else ""
    return f"python -m tests.faults.system --seeds 1 --first-seed {seed}{chosen}"


if __name__ == "__main__":
    sys.exit(main())
