"""An event loop whose time is virtual: when nothing can run, it is at once the instant of the next timer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class StandsStill(Exception):
    """Nothing will ever happen again."""


class _Clock:
    """Stands where a loop has its selector: instead of waiting it moves the time."""

    def __init__(self) -> None:
        self.now = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StandsStill
        if timeout > 0:
            self.now += timeout + 1e-9
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order of their timers, so random delays in the fakes are the whole schedule."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Clock()
        self._clock_resolution = 1e-9
        # What a killed process leaves unasked is nobody's concern.
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self._selector.now

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class VirtualTime:
    """Stands where a module of the runtime has imported `time`."""

    @staticmethod
    def monotonic() -> float:
        return asyncio.get_running_loop().time()

    perf_counter = monotonic
    time = monotonic


class Bell:
    """Wakes everybody who waits; who comes later waits for the next ring."""

    def __init__(self) -> None:
        # In order of arrival: a set would wake them in another order each time.
        self._waiting: dict[asyncio.Future[None], None] = {}

    def ring(self) -> None:
        for each in list(self._waiting):
            _wake(each)
        self._waiting.clear()

    async def wait(self, seconds: float | None = None) -> None:
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[None] = loop.create_future()
        self._waiting[waiting] = None
        timer = loop.call_later(seconds, _wake, waiting) if seconds is not None else None
        try:
            await waiting
        finally:
            self._waiting.pop(waiting, None)
            if timer is not None:
                timer.cancel()


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def run_virtually(make: Callable[[], Any]) -> Any:
    """Runs the coroutine that `make` makes to its end; what is still running then is cancelled."""
    loop = VirtualLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(make())
    finally:
        for _ in range(3):
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                with suppress(StandsStill):
                    loop.run_until_complete(asyncio.wait(left, timeout=60))
        asyncio.set_event_loop(None)
        loop.close()
