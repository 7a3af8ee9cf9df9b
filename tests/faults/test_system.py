"""The crash suite (issue 4): after any fault the real system ends with the tables of a run that nothing befell.

One world goes through one system; each fault has some days of it, and is compared with the undisturbed world after the
same day. So the tests stand in the order in which they run, and behind one that fails the others have nothing to say.
SYSTEM_SEED=n plays another world with other parameters.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import pytest_asyncio

from deploy.local.stack import Stack
from deploy.local.state import State
from tests.faults.system.faults import FAULTS
from tests.faults.system.ground import WORKERS, new_stack
from tests.faults.system.run import Run, Tables, shop_of, undisturbed
from tests.flows.tables import differences

SEED = int(os.environ.get("SYSTEM_SEED", "7"))
_SHARED_EPISODES = 3
# The one after it deletes a part of the log.
_LAST_WITH_ALL_OF_THE_LOG = "grown_before_repetition"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Compared:
    """The world that faults befall, and what it should look like after each episode."""

    run: Run
    expected: list[Tables]
    broken_by: str | None = None
    happened: list[str] = field(default_factory=list)

    async def differ(self, name: str) -> list[str]:
        """What differs after the fault's own episode."""
        number = list(FAULTS).index(name)
        if self.broken_by is not None:
            pytest.skip(f"the system is not what it was since it was {self.broken_by}")
        while self.run.episode < number:
            await self.run.pass_episode()
        self.broken_by = name
        what = await self.run.pass_episode(FAULTS[name])
        self.happened.append(f"{name}: {what}")
        found = differences(self.expected[number], await self.run.at_rest())
        self.broken_by = name if found else None
        return found


@pytest.fixture(scope="module")
def state() -> State:
    """The secret and the key that all systems here share, so that derived ids are equal."""
    return State()


@pytest.fixture(scope="module")
def expected(state: State) -> list[Tables]:
    """The tables after each episode of an undisturbed world."""
    with new_stack(state) as stack:
        tables = asyncio.run(undisturbed(stack, SEED, len(FAULTS)))
    for before, after in pairwise([tables[0], tables[len(FAULTS) // 2], tables[-1]]):
        for name in ("targeting.decisions", "coupons.coupons", "coupons.redemptions", "profile.refunds"):
            assert len(before[name]) < len(after[name]), f"too little happens to {name} to prove anything"
    return tables


@pytest.fixture
def shared_stack(state: State) -> Iterator[Stack]:
    with new_stack(state) as stack:
        yield stack


async def test_three_workers_of_each_service_from_the_beginning_decide_the_same(
    expected: list[Tables], shared_stack: Stack
) -> None:
    """P2, P8: how many share the work changes no decision, no coupon and no figure"""
    run = Run(shared_stack, shop_of(SEED, len(FAULTS)), SEED)
    for worker in WORKERS:
        for number in (2, 3):
            run.platform.add(worker, number)
    async with run.playing():
        for number in range(_SHARED_EPISODES):
            await run.pass_episode()
            found = differences(expected[number], await run.at_rest())
            assert not found, "\n".join(found)
        shared = [name for name in WORKERS if "partitions.assigned" in shared_stack.home.log(f"{name}-3").read_text()]
        assert shared == list(WORKERS)


@pytest.fixture(scope="module")
def disturbed_stack(state: State) -> Iterator[Stack]:
    with new_stack(state) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def disturbed(expected: list[Tables], disturbed_stack: Stack) -> AsyncIterator[Compared]:
    run = Run(disturbed_stack, shop_of(SEED, len(FAULTS)), SEED)
    async with run.playing():
        yield Compared(run, expected)


@pytest.mark.parametrize("name", FAULTS)
async def test_a_system_that_a_fault_befell_ends_with_the_same_tables(disturbed: Compared, name: str) -> None:
    """Rows 1 to 4, 6, 8, 10 to 12 and 27; P1, P5; I1 to I10, row by row"""
    found = await disturbed.differ(name)
    if name == _LAST_WITH_ALL_OF_THE_LOG:
        found += await disturbed.run.rebuilt()
    assert not found, "\n".join([f"SYSTEM_SEED={SEED} plays this again", *disturbed.happened, *found])
