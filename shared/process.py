"""Runs a service's background process: worker, relay and retrier together, until a signal or the first failure."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from shared import failpoints, metrics, tracing
from shared.forgetting import forget_forever
from shared.kafka import Producer
from shared.outbox import Relay
from shared.retrying import Retrier
from shared.settings import ServiceSettings
from shared.telemetry import log
from shared.watching import Watch
from shared.worker import Wiring, Worker

Extra = Callable[[Producer], Awaitable[None]]
# More than the seconds that a worker takes at most to leave its group.
_PATIENCE = 6.0


async def _until_stopped(wiring: Wiring, settings: ServiceSettings, topic: str | None, extra: Extra | None) -> None:
    worker = Worker(wiring)
    producer = Producer(wiring.bootstrap, linger_ms=0)
    await producer.start_when_possible()
    running: list[Awaitable[None]] = [
        worker.run(),
        Retrier(wiring.database, wiring.consumers, {**wiring.info, "service": wiring.service}).run(),
        forget_forever(wiring.database),
    ]
    if topic is not None:
        running.append(Relay(wiring.database, producer, topic).run())
    if extra is not None:
        running.append(extra(producer))
    if settings.metrics_port:
        metrics.listen(settings.metrics_host, settings.metrics_port)
        running.append(Watch(wiring.database, worker, wall_clock=settings.clock == "wall").run())
    tasks = [asyncio.ensure_future(each) for each in running]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: [task.cancel() for task in tasks])
    _freeze()
    try:
        await asyncio.gather(*tasks)
    finally:
        await end(tasks)
        await producer.stop()
        await wiring.database.close()


async def end(tasks: Sequence[asyncio.Task[None]], patience: float = _PATIENCE) -> None:
    """Returns when all of them have ended, whatever they end with."""
    for task in tasks:
        # Not twice: a worker that is leaving its group would be cut off, and keep its partitions for a session.
        if not task.cancelling():
            task.cancel()
    # But not never: a client that is being closed swallows that we are to end. A worker whose relay had failed in that
    # instant went on for good, and nobody heard what it told.
    while pending := (await asyncio.wait(tasks, timeout=patience))[1]:
        for task in pending:
            task.cancel()


def _freeze() -> None:
    # Decoding makes many objects and no cycles: with the collector on its defaults most time would go into looking.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def run_worker(wiring: Wiring, settings: ServiceSettings, *, topic: str | None, extra: Extra | None = None) -> None:
    """Blocks. `topic` is the service's own topic, which its relay writes; exit code 1 says that something broke."""
    failpoints.arm(settings.failpoint)
    tracing.start(wiring.service, settings.otlp_endpoint)
    try:
        uvloop.run(_until_stopped(wiring, settings, topic, extra))
    except asyncio.CancelledError:
        log.info("process.stopped")
    except Exception as error:
        log.error("process.failed", reason=repr(error), exc_info=True)
        sys.exit(1)
    finally:
        tracing.stop()
