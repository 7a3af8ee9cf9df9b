"""Simulated customers treated and held out, told to metrics on a real database: its figures, beside the truth."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from demo.simulation.population import Customer, Fate, comes_back, expected_lift, expected_recall, make_population
from shared.events import Event
from tests.metrics.conftest import Desk
from tests.metrics.telling import campaign, day, decided, issued, paid, withheld
from tests.support.doing import IDS

HOLDOUT = 0.3
CAMPAIGNS = 8
PEOPLE = 1500
# Every third customer falls silent a second time.
SILENCES = (0, 1)


class Try:
    """One campaign: a population of its own, its arms drawn as targeting draws them. Without an effect it is A/A."""

    def __init__(self, seed: int, *, effect: bool = True) -> None:
        self.campaign_id = f"c{seed}{'' if effect else '-alike'}"
        self.people = make_population(seed, PEOPLE)
        self._fate = Fate(seed)
        self._effect = effect

    def name(self, each: Customer) -> str:
        return f"{self.campaign_id}-{each.number}"

    def treated(self, each: Customer) -> bool:
        return IDS.share("holdout", self.campaign_id, self.name(each)) >= HOLDOUT

    def back(self, each: Customer, silence: int) -> bool:
        return comes_back(self._fate, each, silence, treated=self.treated(each) and self._effect)

    def deliveries(self) -> Iterator[tuple[Customer, int]]:
        return ((each, silence) for each in self.people for silence in SILENCES if not silence or not each.number % 3)

    def events(self) -> Iterator[Event]:
        yield campaign(self.campaign_id)
        for each, silence in self.deliveries():
            yield from self._delivered(each, silence)

    def _delivered(self, each: Customer, silence: int) -> Iterator[Event]:
        key, at, customer = f"{self.name(each)}-{silence}", day(50 * silence), self.name(each)
        treated = self.treated(each)
        arm = "treated" if treated else "held_out"
        yield decided(key, at, customer, arm, campaign_id=self.campaign_id)
        answer = issued if treated else withheld
        yield answer(key, at, customer, campaign_id=self.campaign_id)
        # An order before the window, and one after it, are no return.
        yield paid(f"{key}-before", at - timedelta(days=31), customer)
        yield paid(f"{key}-after", at + timedelta(days=14), customer)
        if self.back(each, silence):
            yield paid(
                f"{key}-back", at + timedelta(days=13 * self._fate.share("delay", each.number, silence)), customer
            )

    def came_back(self, *, treated: bool, silences: Sequence[int] = SILENCES) -> tuple[int, int]:
        """How many deliveries of this arm saw a return, and how many there were."""
        found = [
            self.back(each, silence)
            for each, silence in self.deliveries()
            if self.treated(each) is treated and silence in silences
        ]
        return sum(found), len(found)


async def measure(desk: Desk, tried: Try) -> dict[str, Any]:
    await desk.hear(*tried.events())
    await desk.tick(day(100))
    return await desk.campaign(tried.campaign_id)


def rate(answer: dict[str, Any]) -> tuple[int, int]:
    return answer["numerator"], answer["denominator"]


def holds(lift: dict[str, Any], truth: float | None) -> bool:
    return truth is not None and lift["low"] <= truth <= lift["high"]


async def test_recall_and_lift_find_the_truth_that_only_the_simulation_knows(desk: Desk) -> None:
    """MT8, incremental: recall over all deliveries, lift over each customer's first"""
    held = 0
    for seed in range(CAMPAIGNS):
        tried = Try(seed)
        found = await measure(desk, tried)
        for arm, treated in (("treated", True), ("held_out", False)):
            share = found["recall"][arm]["matured"]
            assert rate(share) == tried.came_back(treated=treated)
            assert rate(found["lift"][arm]) == tried.came_back(treated=treated, silences=[0])
            truth = expected_recall(tried.people, treated=treated)
            assert truth is not None
            assert abs(share["value"] - truth) < 4 * (truth * (1 - truth) / share["denominator"]) ** 0.5
        held += holds(found["lift"], expected_lift(tried.people))
    assert held >= CAMPAIGNS - 1


async def test_a_campaign_that_does_nothing_is_found_to_do_nothing(desk: Desk) -> None:
    lifts = [(await measure(desk, Try(seed, effect=False)))["lift"] for seed in range(CAMPAIGNS)]
    assert sum(holds(lift, 0.0) for lift in lifts) >= CAMPAIGNS - 1
    assert sum(lift["p_value"] < 0.05 for lift in lifts) <= 1
