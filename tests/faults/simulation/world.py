"""Runs a seed: two services, a storefront, and whatever befalls them; then waits until all is quiet."""

import asyncio
import logging
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import structlog

import shared.kafka
from shared import topics
from shared.database import Database, is_transient, lock_session
from shared.events import ClockTicked, Tick
from shared.events.codec import Undecodable, decode
from shared.kafka import Producer, encode_tick
from shared.outbox import Relay, RelayLost
from shared.worker import Wiring, Worker
from tests.faults.simulation.checks import Wrong, compare, inspect
from tests.faults.simulation.database import SimulatedDatabase, Store
from tests.faults.simulation.history import Step, Told, make_history
from tests.faults.simulation.log import SESSION_SECONDS, Broker, ConsumerClient, ProducerClient
from tests.faults.simulation.loop import VirtualTime, run_virtually
from tests.faults.simulation.processes import Process, Weather
from tests.faults.simulation.services import DECIDES, FIRST, SECOND, TOPIC_OF, consumers_of

_RELAY_LOCK = 7_201_001
_PATIENCE = 600.0
_here: "World | None" = None


@dataclass
class World:
    seed: int
    stormy: bool = True
    skips_ticks: bool = False
    # Whether a command that lets a topic grow may die half-way and be run again only later.
    forgets_growth: bool = False
    # Whether a relay may lose its session to a growing topic and go on publishing until it notices.
    relays_unaware: bool = False
    # Whether somebody copies old records of the first service's topic to its end, as tools that mirror topics do.
    mirrored: bool = False
    # What a worker may die of without its being wrong.
    forgives: tuple[type[Exception], ...] = ()
    processes: dict[str, Process] = field(default_factory=dict[str, Process])
    stopped: set[str] = field(default_factory=set[str])
    wrong: list[str] = field(default_factory=list[str])
    born: int = 0
    # Topics grown by a command that died before it wrote the ticks.
    half_grown: set[str] = field(default_factory=set[str])
    told: list[Told] = field(default_factory=list[Told])
    story: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.dice = random.Random(f"faults {self.seed}")
        self.weather = Weather(self.dice, self.stormy)
        counts = {topic: self.dice.randint(1, 3) for topic in TOPIC_OF.values()}
        self.broker = Broker(self.weather, {topic: [[] for _ in range(count)] for topic, count in counts.items()})
        self.stores = {service: Store(service, self.weather, inspect) for service in (FIRST, SECOND)}
        # Whoever ticks holds it, and whoever lets the topic grow.
        self.ticker_lock = asyncio.Lock()

    def say(self, what: str) -> None:
        self.story.append(f"{asyncio.get_running_loop().time():8.3f} {what}")

    # Processes

    def birth(self, name: str, *, mortal: bool = True) -> Process:
        self.born += 1
        process = Process(f"{name}#{self.born}", self.weather, self._silence_later, mortal=mortal)
        self.processes[process.name] = process
        return process

    async def keep_alive(self, service: str) -> None:
        """As an init system: starts a worker, and another whenever one has ended."""
        while True:
            await asyncio.sleep(self.dice.uniform(0.01, 0.5))
            if service not in self.stopped:
                process = self.birth(service)
                await self._live(process, service)
                process.kill()
                await asyncio.gather(*list(process.tasks), return_exceptions=True)
                del self.processes[process.name]

    async def _live(self, process: Process, service: str) -> None:
        """shared.process.run_worker without signals and exit codes."""
        store = SimulatedDatabase(self.stores[service], process)
        database = cast(Database, store)
        consumers = consumers_of(service, skips_ticks=self.skips_ticks)
        tells = service == FIRST
        decide, piece = DECIDES[service]
        wiring = Wiring(
            service, process.name, database, consumers, decide, tells=tells, info={"ids": None}, decide_piece=piece
        )
        tasks = [process.start(Worker(wiring).run())]
        if tells:
            tasks.append(process.start(self._relay(process, database)))
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, self.forgives):
                self.say(f"{process.name} ended: {error}")
            elif error is not None and not isinstance(error, RelayLost):
                self.wrong.append(f"{process.name} failed: {error!r}")

    async def _relay(self, process: Process, database: Database) -> None:
        producer = Producer(process.name)
        await producer.start_when_possible()
        await Relay(database, producer, topics.PROFILE).run()

    # The storefront

    async def tell(self, steps: list[Step]) -> None:
        producer = Producer(self.birth("storefront", mortal=False).name)
        await producer.start()
        for step in steps:
            async with self.ticker_lock:
                count = await producer.count_partitions(topics.STOREFRONT_ORDERS)
                # Facts alone first, now and then, and things that were told before.
                alone = step.told[: self.dice.randint(0, len(step.told))]
                again = [told for told in self.told if self.weather.chance(0.1)]
                await producer.publish(topics.STOREFRONT_ORDERS, _messages([*alone, *again]))
                if self.weather.chance(0.5):
                    await asyncio.sleep(self.dice.uniform(0, 0.5))
                tick = Tick(at=step.at, partitions=count)
                await producer.publish(topics.STOREFRONT_ORDERS, _messages(step.told[len(alone) :]), tick)
            self.told += step.told
            if self.stormy:
                await asyncio.sleep(self.dice.expovariate(1.0))

    # Faults

    async def trouble(self) -> None:
        """Something every second or so, for a while."""
        faults = [self._kill, self._kill, self._stall, self._stall, self._crash_database, self._grow, self._snapshot]
        for _ in range(self.dice.randint(2, 9)):
            await asyncio.sleep(self.dice.expovariate(1.2))
            await self.dice.choice([*faults, self._restore])()
        self.weather.stormy = False
        for topic in list(self.half_grown):
            await self._write_missing_ticks(topic)

    async def mirror(self) -> None:
        """What was told once is told again, however much has been told since."""
        dice = random.Random(f"mirror {self.seed}")
        while self.weather.stormy:
            await asyncio.sleep(dice.expovariate(1.0))
            parts = self.broker.topics[topics.PROFILE]
            number = dice.randrange(len(parts))
            if told := [(record.key, record.value) for record in parts[number] if record.key and record.value]:
                self.broker.append(topics.PROFILE, number, [dice.choice(told)])

    def _any_process(self) -> Process | None:
        alive = [each for each in self.processes.values() if each.mortal and not each.dead]
        return self.dice.choice(alive) if alive else None

    async def _kill(self) -> None:
        if process := self._any_process():
            self.say(f"{process.name} is killed")
            process.kill()

    async def _stall(self) -> None:
        """It stands still, longer than its session mostly, and then goes on where it was."""
        if process := self._any_process():
            seconds = self.dice.uniform(0.5, 2.5 * SESSION_SECONDS)
            self.say(f"{process.name} stands still for {seconds:.1f} s")
            process.stalled_until = asyncio.get_running_loop().time() + seconds
            self._silence_later(process)

    def _silence_later(self, process: Process) -> None:
        for group in self.broker.groups.values():
            for member in group.members:
                if member.process is process:
                    asyncio.get_running_loop().call_later(SESSION_SECONDS, member.silent)

    async def _crash_database(self) -> None:
        store = self.stores[self.dice.choice([FIRST, SECOND])]
        self.say(f"the database of {store.service} restarts")
        store.crash()

    async def _snapshot(self) -> None:
        for store in self.stores.values():
            store.snapshot()

    async def _restore(self) -> None:
        service = self.dice.choice([FIRST, SECOND])
        store = self.stores[service]
        if not store.snapshots:
            return
        self.say(f"{service} is restored")
        self.stopped.add(service)
        for process in list(self.processes.values()):
            if process.name.startswith(service):
                process.kill()
        await asyncio.sleep(0.1)
        store.restore()
        self.stopped.discard(service)

    async def _grow(self) -> None:
        """`comeback topics grow`: under the lock of whoever writes the topic's ticks."""
        topic = self.dice.choice(sorted(TOPIC_OF.values()))
        if len(self.broker.topics[topic]) >= 4:
            return
        if topic == topics.STOREFRONT_ORDERS:
            async with self.ticker_lock:
                self._grow_now(topic)
        else:
            await self._under_relay_lock(topic)

    async def _under_relay_lock(self, topic: str) -> None:
        process = self.birth("grow", mortal=False)
        store = self.stores[FIRST]
        if store.relaying is not None:
            # The relay dies, or only its session, and it goes on publishing until it notices. Another may be quicker.
            if not (self.relays_unaware and self.weather.chance(0.5)):
                store.relaying.process.kill()
            store.relaying.terminate()
        connection = await SimulatedDatabase(store, process).connect()
        try:
            async with asyncio.timeout(2):
                await lock_session(connection, _RELAY_LOCK)
                self._grow_now(topic)
        except (TimeoutError, OSError, Exception) as error:
            if not (isinstance(error, TimeoutError) or is_transient(error)):
                raise
        finally:
            connection.terminate()

    def _grow_now(self, topic: str) -> None:
        ticks = [_last_tick([record.value for record in part]) for part in self.broker.topics[topic]]
        if len({tick and tick.at for tick in ticks}) > 1:
            return  # refused: what was told in part will be told again, and must go where it went
        self.say(f"{topic} grows to {len(self.broker.topics[topic]) + 1}")
        self.broker.grow(topic)
        self.half_grown.add(topic)
        if not self.forgets_growth or self.dice.random() < 0.7:
            self._write_ticks(topic)

    async def _write_missing_ticks(self, topic: str) -> None:
        """The command, run again after it died half-way."""
        if topic == topics.STOREFRONT_ORDERS:
            async with self.ticker_lock:
                self._write_ticks(topic)
        else:
            # Its relay holds the lock by now, so it is the one that is stopped.
            relaying = self.stores[FIRST].relaying
            if relaying is not None:
                relaying.process.kill()
                relaying.terminate()
            self._write_ticks(topic)

    def _write_ticks(self, topic: str) -> None:
        """The smallest last tick into every partition that has none; nothing if an old one has none either.

        Which are old, the ticks say: a relay that died in its first tick leaves some without.
        """
        parts = self.broker.topics[topic]
        last = [_last_tick([record.value for record in part]) for part in parts]
        known = [each for each in last if each is not None]
        old = max((each.partitions for each in known), default=0)
        if known and None not in last[:old]:
            body = encode_tick(topic, Tick(at=min(each.at for each in known), partitions=len(parts)))
            for number, found in enumerate(last):
                if found is None:
                    self.broker.append(topic, number, [(None, body)])
        self.half_grown.discard(topic)

    # The end

    async def run(self) -> list[str]:
        steps = make_history(self.seed)
        slots = [FIRST, SECOND, *(self.dice.choice([FIRST, SECOND]) for _ in range(self.dice.randint(0, 3)))]
        living = [asyncio.create_task(self.keep_alive(slot)) for slot in (slots if self.stormy else [FIRST, SECOND])]
        telling = [asyncio.create_task(self.tell(steps))]
        if self.stormy:
            telling.append(asyncio.create_task(self.trouble()))
            if self.mirrored:
                telling.append(asyncio.create_task(self.mirror()))
        try:
            async with asyncio.timeout(_PATIENCE):
                while not (all(task.done() for task in telling) and self._quiet(steps)):
                    if any(task.done() and task.exception() for task in [*telling, *living]) or self.wrong:
                        break
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self.wrong.append(f"it stands still: {self._positions()}")
        for task in [*telling, *living]:
            if task.done() and (error := task.exception()):
                self.wrong.append(f"the simulation failed: {error!r}")
        return self.wrong or compare(self.stores, steps)

    def _quiet(self, steps: list[Step]) -> bool:
        return not self.stores[FIRST].tables["outbox"] and all(
            store.tables["clock"][1]["at"] == steps[-1].at
            and not store.open
            and all(
                store.tables["inbox"].get((TOPIC_OF[service], number), {}).get("next_offset") == len(part)
                for number, part in enumerate(self.broker.topics[TOPIC_OF[service]])
            )
            for service, store in self.stores.items()
        )

    def _positions(self) -> dict[str, Any]:
        ends = {topic: [len(part) for part in parts] for topic, parts in self.broker.topics.items()}
        tables = {name: (s.tables["clock"], s.tables["inbox"], s.tables["outbox"]) for name, s in self.stores.items()}
        return {"ends": ends, **tables}


def _messages(told: list[Told]) -> list[tuple[str, bytes]]:
    return [(each.customer, each.body) for each in told]


def _last_tick(bodies: list[bytes | None]) -> Tick | None:
    found: Tick | None = None
    for body in bodies:
        try:
            event = decode(body)
        except Undecodable:
            continue
        if isinstance(event, ClockTicked) and (found is None or event.data.at > found.at):
            found = event.data
    return found


@contextmanager
def simulated() -> Iterator[None]:
    """Puts the fakes where the runtime has its clients of Kafka, its time and its log."""

    def at(bootstrap: str) -> tuple[Process, Broker]:
        assert _here is not None
        return _here.processes[bootstrap], _here.broker

    def consumer(*, bootstrap_servers: str, group_id: str, **_: Any) -> ConsumerClient:
        return ConsumerClient(*at(bootstrap_servers), group_id)

    def producer(*, bootstrap_servers: str, **_: Any) -> ProducerClient:
        return ProducerClient(*at(bootstrap_servers))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared.kafka, "AIOKafkaConsumer", consumer)
        patch.setattr(shared.kafka, "AIOKafkaProducer", producer)
        for name, module in list(sys.modules.items()):
            if name.startswith("shared.") and getattr(module, "time", None) is time:
                patch.setattr(module, "time", VirtualTime)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            yield
        finally:
            structlog.reset_defaults()


def run_seed(seed: int, **how: Any) -> list[str]:
    """What is wrong after the seed's history went through; nothing, if the runtime keeps its promises."""
    global _here

    async def play() -> list[str]:
        global _here
        _here = World(seed, **how)
        return await _here.run()

    try:
        return run_virtually(play)
    except Wrong as error:
        return [str(error)]
    finally:
        _here = None
