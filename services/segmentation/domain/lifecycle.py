"""The lifecycle: a customer's stage as a function of the set of their orders. Pure; domain rows LC1-LC7, section 15.

Instants are whole microseconds since 1970, so that no sum leaves the calendar, whatever a storefront sends.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

Micros = int
SECOND: Micros = 1_000_000
DAY: Micros = 86_400 * SECOND
LONG_AGO: Micros = -(2**60)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# The driver takes the very first and the very last microsecond of the calendar for infinity.
_FIRST = datetime.min.replace(tzinfo=UTC) + _MICROSECOND
_LAST = datetime.max.replace(tzinfo=UTC) - _MICROSECOND


def finite(at: datetime) -> datetime:
    """The instant, or the nearest one that can be reckoned with."""
    return at if _FIRST <= at <= _LAST else min(max(at, _FIRST), _LAST)


def micros(at: datetime) -> Micros:
    return (at - _EPOCH) // _MICROSECOND


# A stage, its cycle and its last order often begin with the same order.
@lru_cache(maxsize=512)
def instant(at: Micros) -> datetime:
    return _EPOCH + timedelta(0, 0, at)


def instant_or_none(at: Micros | None) -> datetime | None:
    return None if at is None else instant(at)


_LAST_MICROS = micros(_LAST)


def instant_or_never(at: Micros | None) -> datetime | None:
    """None also for what lies beyond the calendar: it never comes."""
    return None if at is None or at > _LAST_MICROS else instant(at)


class Stage(StrEnum):
    POTENTIAL = "potential"
    NEW = "new"
    RISING = "rising"
    MATURE = "mature"
    DECLINING = "declining"
    SILENT = "silent"
    CHURNED = "churned"


@dataclass(frozen=True, slots=True)
class LifecycleModel:
    """The numbers of section 15. All windows are half-open: an order at t counts in the last d during [t, t + d)."""

    name: str = "default"
    version: int = 1
    new_for: Micros = 30 * DAY
    window: Micros = 30 * DAY
    mature_over: int = 5
    silent_after: Micros = 30 * DAY
    churned_after: Micros = 90 * DAY

    @property
    def lookback(self) -> Micros:
        """How far back orders can still matter, besides the last one: this window and the one before."""
        return 2 * self.window


DEFAULT_MODEL = LifecycleModel()


class Standing(NamedTuple):
    """Where a customer stands as of `at`: all that advancing needs besides the orders of the lookback."""

    at: Micros
    stage: Stage | None = None
    since: Micros | None = None
    reacquired: bool = False
    cycle_started_at: Micros | None = None
    last_order_at: Micros | None = None
    from_stage: Stage | None = None


NOWHERE = Standing(LONG_AGO)


class Entry(NamedTuple):
    """One step of the history. `reacquired` marks the step by which a churned customer came back."""

    since: Micros
    stage: Stage
    from_stage: Stage | None
    reacquired: bool


class Advance(NamedTuple):
    """What lies between two instants: the steps, where they led, and when the next one is due if nothing happens."""

    entries: list[Entry]
    standing: Standing
    due_at: Micros | None


def advance(
    model: LifecycleModel, start: Standing, orders: Sequence[Micros], first_visit_at: Micros | None, until: Micros
) -> Advance:
    """From `start` up to and with `until`.

    `orders` are all counted orders after `start.at - model.lookback`, sorted; those after `until` are only due.
    """
    at, stage, since, reacquired, cycle, last, from_stage = start
    entries: list[Entry] = []
    seen = bisect_right(orders, at)
    while True:
        due = _ends_at(model, stage, at, cycle, last, orders, seen)
        if seen < len(orders) and (due is None or orders[seen] < due):
            due = orders[seen]
        if (
            last is None
            and first_visit_at is not None
            and at < first_visit_at
            and (due is None or first_visit_at < due)
        ):
            due = first_visit_at
        if due is None or due > until:
            return Advance(entries, Standing(until, stage, since, reacquired, cycle, last, from_stage), due)
        at, came_back = due, False
        # Everything at one instant is applied before the stage is looked at once.
        while seen < len(orders) and orders[seen] == at:
            seen += 1
            if last is None or at - last > model.churned_after:
                cycle, came_back = at, last is not None
            last = at
        found = _stage_at(model, at, cycle, last, orders, seen)
        if found != stage:
            entries.append(Entry(at, found, stage, came_back))
            stage, since, reacquired, from_stage = found, at, came_back, stage


def _stage_at(
    model: LifecycleModel, at: Micros, cycle: Micros | None, last: Micros | None, orders: Sequence[Micros], seen: int
) -> Stage:
    """The first condition that holds, in the order mature, new, declining, rising, churned, silent, potential."""
    if last is None or cycle is None:
        return Stage.POTENTIAL
    recent_from = bisect_right(orders, at - model.window, 0, seen)
    recent = seen - recent_from
    if recent > model.mature_over:
        return Stage.MATURE
    if at < cycle + model.new_for:
        return Stage.NEW
    if at < last + model.silent_after:
        before = recent_from - bisect_right(orders, at - 2 * model.window, 0, recent_from)
        return Stage.DECLINING if recent < before else Stage.RISING
    return Stage.CHURNED if at >= last + model.churned_after else Stage.SILENT


def _ends_at(
    model: LifecycleModel,
    stage: Stage | None,
    at: Micros,
    cycle: Micros | None,
    last: Micros | None,
    orders: Sequence[Micros],
    seen: int,
) -> Micros | None:
    """When time alone ends the stage, if no order comes."""
    if last is None or cycle is None or stage is Stage.CHURNED:
        return None
    if stage is Stage.MATURE:
        return orders[seen - model.mature_over - 1] + model.window
    if stage is Stage.NEW:
        return cycle + model.new_for
    if stage is Stage.SILENT:
        return last + model.churned_after
    return _drifts_at(model, stage, at, last + model.silent_after, orders, seen)


def _drifts_at(
    model: LifecycleModel, stage: Stage | None, at: Micros, end: Micros, orders: Sequence[Micros], seen: int
) -> Micros:
    """When rising turns declining or the other way round because orders leave the windows; at `end` both are over."""
    window = model.window
    recent = bisect_right(orders, at - window, 0, seen)
    before = bisect_right(orders, at - 2 * window, 0, recent)
    while before < seen:
        at = orders[before] + 2 * window
        if recent < seen:
            at = min(at, orders[recent] + window)
        if at >= end:
            return end
        while recent < seen and orders[recent] + window <= at:
            recent += 1
        while before < seen and orders[before] + 2 * window <= at:
            before += 1
        if (seen - recent < recent - before) != (stage is Stage.DECLINING):
            return at
    return end


class Telling(NamedTuple):
    """A step that is to be told at a tick; no `stage`: the customer has none any more."""

    since: Micros
    stage: Stage | None
    from_stage: Stage | None
    reacquired: bool
    current: bool
    corrects_past: bool


def tellings(before: Standing, advanced: Advance) -> list[Telling]:
    """What to tell of an advance, given where the customer was known to stand (`before.at`) until now.

    Steps since then are told one by one, the last one as current. Steps that a late event put before that are not,
    unless the stage that holds now is another one than was known, or began at another instant.
    """
    fresh = [entry for entry in advanced.entries if entry.since > before.at]
    if fresh:
        return [Telling(*entry, current=entry is fresh[-1], corrects_past=False) for entry in fresh]
    after = advanced.standing
    if (after.stage, after.since, after.reacquired) == (before.stage, before.since, before.reacquired):
        return []
    if after.stage is None or after.since is None:
        return [Telling(before.since or before.at, None, before.stage, False, current=True, corrects_past=True)]
    same = after.stage is before.stage
    return [Telling(after.since, after.stage, after.from_stage, after.reacquired, current=True, corrects_past=same)]
