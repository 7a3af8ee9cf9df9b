"""What a simulation is asked for, whether that is possible, and when things happen in its time. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from demo.simulation.population import Customer

STEP_SECONDS = 0.05
STEPS_OF_A_TICK = 5
SILENCE = timedelta(days=30)
ATTRIBUTION_DAYS = 14
_DAY = timedelta(days=1)
# Silence takes 30 days and the window after it 14.
LEAST_DAYS = 50
MOST_DAYS_A_SECOND = 12
_USUAL_DAYS = 120


class Impossible(Exception):
    """What was asked for cannot be simulated; the message says what could be."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The run's instants: who falls silent in `[starts_at, closes_at)` may be treated; all return before `ends_at`."""

    starts_at: datetime
    closes_at: datetime
    ends_at: datetime
    # How long after falling silent a customer comes back, if they do.
    soonest: timedelta
    latest: timedelta
    # When the first falls silent of those whose past was told.
    first_silence: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Plan:
    """`clock` is the system's: with the wall's a second is a second, with a replay's it is `speed` days."""

    rate: int
    seconds: int
    seed: int
    customers: int
    clock: Literal["wall", "stream"] = "wall"
    speed: float | None = None
    holdout: float = 0.2

    @property
    def events(self) -> int:
        return self.rate * self.seconds

    @property
    def steps(self) -> int:
        return round(self.seconds / STEP_SECONDS)

    @property
    def step(self) -> timedelta:
        """How far one step of the wall's clock moves the simulation's."""
        if self.clock == "wall":
            return timedelta(seconds=STEP_SECONDS)
        return self.days_a_second * STEP_SECONDS * _DAY

    @property
    def days_a_second(self) -> float:
        return self.speed or min(_USUAL_DAYS / self.seconds, MOST_DAYS_A_SECOND)

    def check(self, population: list[Customer]) -> None:
        """Raises Impossible."""
        if self.clock == "wall":
            if self.speed is not None:
                raise Impossible(
                    "--speed needs a system whose time a replay makes pass; this one runs on the wall clock. "
                    "`comeback stack up --clock stream` starts one, on empty data"
                )
            return
        days = self.days_a_second * self.seconds
        if self.days_a_second > MOST_DAYS_A_SECOND:
            raise Impossible(f"at most {MOST_DAYS_A_SECOND} days a second can be simulated")
        if days < LEAST_DAYS:
            raise Impossible(
                f"{self.seconds} s at {self.days_a_second:g} days a second are {days:g} days; until somebody has fallen"
                f" silent and come back it takes {LEAST_DAYS}: ask for more seconds or a higher speed"
            )
        orders = sum(days / each.days_between_orders for each in population)
        if orders > self.events:
            raise Impossible(
                f"{self.customers:,} customers place up to {orders:,.0f} orders in {days:g} days, and {self.rate:,} "
                f"events/s for {self.seconds} s are {self.events:,}: ask for fewer customers or a rate of "
                f"{-(-orders // self.seconds):,.0f}"
            )

    def calendar(self, starts_at: datetime) -> Calendar:
        ends_at = starts_at + self.steps * self.step
        if self.clock == "wall":
            latest = timedelta(seconds=5 + min(self.seconds / 4, 60))
            return Calendar(
                starts_at=starts_at,
                closes_at=max(ends_at - latest, starts_at + timedelta(seconds=1)),
                ends_at=ends_at,
                soonest=timedelta(seconds=5),
                latest=latest,
                first_silence=timedelta(seconds=3 + self.customers / 5000),
            )
        # Heard two ticks after the silence, an offer is always heard before its customer would come back: so what
        # happens does not depend on how fast the system is.
        soonest = max(_DAY, 2 * STEPS_OF_A_TICK * self.step)
        latest = (ATTRIBUTION_DAYS - 1) * _DAY
        return Calendar(starts_at, ends_at - ATTRIBUTION_DAYS * _DAY, ends_at, soonest, latest)
