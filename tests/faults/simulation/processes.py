"""A process that can be killed or stalled between any two of its steps. All that it asks of the world `travel`s."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

_CRASH = 0.0025


@dataclass
class Weather:
    """The dice of a seed, and whether anything may go wrong now."""

    dice: random.Random
    stormy: bool

    def chance(self, probability: float) -> bool:
        return self.stormy and self.dice.random() < probability

    def delay(self) -> float:
        """Mostly some milliseconds, in a storm now and then a second."""
        slow = self.stormy and self.dice.random() < 0.03
        return self.dice.expovariate(2.0 if slow else 100.0)


@dataclass(eq=False)
class Process:
    name: str
    weather: Weather
    # The broker will miss its heartbeats.
    falls_silent: "Callable[[Process], None]"
    mortal: bool = True
    dead: bool = False
    stalled_until: float = 0.0
    tasks: dict["asyncio.Task[Any]", None] = field(default_factory=dict[Any, None])

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks[task] = None
        task.add_done_callback(lambda ended: self.tasks.pop(ended, None))
        return task

    def kill(self) -> None:
        """As SIGKILL: from now on nothing that its code does reaches the world."""
        if not self.dead:
            self.falls_silent(self)
        self.dead = True
        current = asyncio.current_task()
        for task in list(self.tasks):
            if task is not current:
                task.cancel()

    def check(self) -> None:
        if self.dead:
            raise asyncio.CancelledError

    @property
    def stalled(self) -> bool:
        return self.stalled_until > asyncio.get_running_loop().time()

    async def travel(self) -> None:
        """A request under way; returns where it has its effect, if the process lives to see it."""
        self.check()
        await asyncio.sleep(self.weather.delay())
        while (left := self.stalled_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
        self.check()
        if self.mortal and self.weather.chance(_CRASH):
            self.kill()
            raise asyncio.CancelledError
