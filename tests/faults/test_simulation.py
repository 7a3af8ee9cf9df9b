"""T1: the runtime under thousands of seeded schedules of crashes, zombies, rebalances, losses, growth and restores.

SIMULATION_SEED=n replays one seed; SIMULATION_SEEDS=n says how many are run. Each mechanism is also taken out once, and
some seed must notice.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest

import shared.kafka
from shared import inbox, timekeeper
from shared.outbox import Relay
from tests.faults.simulation import services
from tests.faults.simulation.database import IGNORING, NEWEST, Transaction
from tests.faults.simulation.world import run_seed, simulated

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "3000"))
ONLY = os.environ.get("SIMULATION_SEED")
_BLOCK = 250
BLOCKS = (
    [range(int(ONLY), int(ONLY) + 1)]
    if ONLY
    else [range(first, min(first + _BLOCK, SEEDS)) for first in range(0, SEEDS, _BLOCK)]
)


@pytest.fixture(autouse=True)
def fakes() -> Iterator[None]:
    with simulated():
        yield


def name(seeds: range) -> str:
    return f"{seeds.start}-{seeds.stop - 1}"


# What shared.worker may still die of: see the tests that are expected to fail. Nothing is lost, it starts again.
KNOWN: tuple[type[Exception], ...] = ()


def first_failure(seeds: Iterable[int], **how: Any) -> tuple[int, list[str]] | None:
    for seed in seeds:
        if wrong := run_seed(seed, **how):
            return seed, wrong
    return None


@pytest.mark.parametrize("seeds", BLOCKS, ids=name)
def test_whatever_befalls_it_everything_has_its_effect_exactly_once(seeds: range) -> None:
    """I1, I7, I9 and P1, P5, P8: facts and decisions, each with its tick, are those of an undisturbed run."""
    for seed in seeds:
        wrong = run_seed(seed, forgives=KNOWN)
        assert not wrong, "\n".join([f"SIMULATION_SEED={seed} plays this again", *wrong])


@pytest.mark.parametrize("seeds", [block[::5] for block in BLOCKS], ids=name)
def test_an_undisturbed_run_is_what_was_foretold(seeds: range) -> None:
    for seed in seeds:
        wrong = run_seed(seed, stormy=False)
        assert not wrong, "\n".join([f"seed {seed}, undisturbed", *wrong])


@pytest.mark.parametrize("seeds", [block[::5] for block in BLOCKS], ids=name)
def test_what_is_told_again_long_after_changes_nothing(seeds: range) -> None:
    """P8: a tool that copies topics, or whoever reads them from their beginning into the same."""
    for seed in seeds:
        wrong = run_seed(seed, forgives=KNOWN, mirrored=True)
        assert not wrong, "\n".join([f"seed {seed}, mirrored", *wrong])


def test_nobody_believes_a_position_lost_that_another_has_just_moved() -> None:
    assert first_failure([310, 524, 1013, 1041, 1093], forgives=KNOWN) is None


def test_a_rebalance_between_taking_and_applying_a_batch_kills_no_worker() -> None:
    assert first_failure([1693, 1767, 2181], forgives=KNOWN) is None


def test_a_relay_that_does_not_know_yet_that_it_lost_its_lock_cannot_harm_a_growing_topic() -> None:
    assert first_failure(range(100, 200), forgives=KNOWN, relays_unaware=True) is None


# What each mechanism is for: without it, some seed goes wrong.


def caught(seeds: Sequence[int] = range(400), **how: Any) -> str:
    found = first_failure(seeds, forgives=KNOWN, **how)
    assert found is not None, f"{len(seeds)} seeds have not noticed"
    return found[1][0]


def test_a_fact_must_be_inserted_only_if_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def add_all(session: Any, rows: dict[str, Any]) -> list[str]:
        driver: Transaction = session.driver
        await driver.insert_absent("facts", rows)
        await services.add_up(driver, list(rows.values()))
        return list(rows)

    monkeypatch.setattr(services, "add_facts", add_all)
    caught()


def test_a_state_must_be_newer_to_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "is_newer", lambda _version, _old: True)
    caught(mirrored=True)  # everything else keeps tellings so well in order that of 3,000 seeds one notices


def test_the_relay_must_not_look_for_ids_greater_than_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    relay_some = Relay._relay_some  # pyright: ignore[reportPrivateUsage]
    last: dict[Any, int] = {}

    class Greater:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        async def fetch(self, *args: Any) -> list[Any]:
            rows = await self._connection.fetch(*args)
            rows = [row for row in rows if row["outbox_id"] > last.get(self._connection, 0)]
            last[self._connection] = max([last.get(self._connection, 0), *(row["outbox_id"] for row in rows)])
            return rows

        async def execute(self, *args: Any) -> str:
            return await self._connection.execute(*args)

    monkeypatch.setattr(Relay, "_relay_some", lambda self, found, count: relay_some(self, Greater(found), count))
    caught(range(2000))


def test_a_partition_without_a_tick_must_hold_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timekeeper, "_LOWEST", IGNORING)
    caught()


def test_time_must_be_the_smallest_tick_and_not_what_it_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by the wall knows the newest time before the data have come."""
    monkeypatch.setattr(timekeeper, "_LOWEST", NEWEST)
    caught()


def test_the_clock_must_not_move_as_long_as_pieces_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def divide(session: Any, now: Any) -> bool:
        await services.decide_or_divide(session, now)
        return True

    monkeypatch.setitem(services.DECIDES, services.SECOND, (divide, services.decide_piece))
    caught()


def test_reading_must_be_aligned_by_ticks() -> None:
    caught(skips_ticks=True)


def test_a_tick_must_wait_until_what_stands_in_front_of_it_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(client: Any, topic: str, partition: int, messages: list[Any], last: bytes | None) -> None:
        batches = shared.kafka._batches(client, messages)  # pyright: ignore[reportPrivateUsage]
        if last is not None:
            batches.append(client.create_batch())
            batches[-1].append(key=None, value=last, timestamp=None, headers=[])
        answers = [await client.send_batch(each, topic, partition=partition) for each in batches]
        await asyncio.gather(*answers)

    monkeypatch.setattr(shared.kafka, "send", send)
    caught()


def test_a_position_must_be_moved_by_compare_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    execute = inbox.execute

    async def blindly(session: Any, sql: str, *args: Any) -> int:
        return await execute(session, sql.replace(" AND inbox.next_offset = s.old_offset", ""), *args)

    monkeypatch.setattr(inbox, "execute", blindly)
    caught(range(2000))


def test_growth_must_give_new_partitions_a_tick_before_anybody_writes_to_them() -> None:
    """Why the command, when it died half-way, is run again before relay or ticker go on."""
    caught(range(2000), forgets_growth=True)
