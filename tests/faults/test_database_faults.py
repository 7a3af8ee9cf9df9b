"""PostgreSQL dies, refuses, blocks or has no room: what came is applied once and whole, none of it parked, none a 500.

Rows 12 and 14-18 of the fault list, on real servers, through the real worker and a real HTTP process.
"""

import asyncio
import random
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from deploy.local.stack import Stack
from services.coupons.app import make_app
from services.coupons.settings import Settings
from services.profile.consumers import on_storefront_order_completed
from shared.database import Database, Session, connect, execute, fetch, fetch_value, is_transient
from shared.events.profile import OrderPaid
from shared.migrations import upgrade_async
from tests.faults.conftest import Server, profile_on, server_in
from tests.flows.world import template_body
from tests.support.doing import client, rows, settings_for, told
from tests.support.working import T0, Running, order

DONE = T0 + timedelta(days=9)
WHOLE = """
SELECT (SELECT count(*) FROM orders) AS orders, (SELECT coalesce(sum(total), 0) FROM orders) AS total,
       (SELECT coalesce(sum(orders), 0) FROM customers) AS counted,
       (SELECT coalesce(sum(paid_amount), 0) FROM customer_spend) AS spent,
       (SELECT sum(applied) FROM inbox) AS applied, (SELECT count(*) FROM parked) AS parked
"""


async def check_whole(running: Running) -> int:
    """No half of a batch is there (I1, I2, I5): facts, sums and positions say the same; how many orders that is."""
    [found] = await rows(running.database, WHOLE)
    assert found["orders"] == found["counted"] == found["applied"], found
    assert (found["total"], found["parked"]) == (found["spent"], 0), found
    await running.check_positions()
    return found["orders"]


async def check_all(running: Running, sent: int) -> None:
    """All that was sent was applied, and told once."""
    assert await check_whole(running) == sent
    paid = [event.data.order_id for event in await told(running.database) if isinstance(event, OrderPaid)]
    assert sorted(paid) == sorted(f"o{number}" for number in range(sent))


class Sender:
    """Sends orders in small pieces, under keys of all partitions, until it is stopped."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.sent = 0

    async def send(self, count: int) -> None:
        bodies = [order(number, source_id=f"c{number % 7}") for number in range(self.sent, self.sent + count)]
        self.sent += count
        await self._running.send(*bodies, key=f"k{self.sent}")

    async def run(self) -> None:
        while True:
            await self.send(20)
            await asyncio.sleep(0.03)


class Shopkeeper:
    """Makes templates over HTTP; whoever is told to come again does so, with the same key."""

    def __init__(self, http: httpx.AsyncClient, database: Database, app_database: Database) -> None:
        self.http = http
        self.database = database
        self.app_database = app_database
        self.made = 0
        self.told_to_wait = 0

    async def ask(self, name: str) -> httpx.Response:
        return await self.http.post("/v1/templates", json=template_body(name), headers={"Idempotency-Key": name})

    async def make(self) -> None:
        async with asyncio.timeout(60):
            while (answer := await self.ask(f"t{self.made}")).status_code != 201:
                check_told_to_wait(answer)
                self.told_to_wait += 1
                await asyncio.sleep(0.05)
        self.made += 1

    async def run(self) -> None:
        while True:
            await self.make()
            await asyncio.sleep(0.01)

    async def check(self, more: int = 0) -> None:
        """Each once, whole; `more` may have been made whose answer was never heard."""
        found = await rows(
            self.database,
            "SELECT definition ->> 'name' AS name FROM templates JOIN template_versions USING (template_id)",
        )
        names = sorted(row["name"] for row in found)
        assert len(names) == len(set(names))
        assert {f"t{number}" for number in range(self.made)} <= set(names)
        assert len(names) <= self.made + more


def check_told_to_wait(answer: httpx.Response) -> None:
    # 409: the first request with this key may still be running in a session that the server has not given up yet.
    assert answer.status_code in (503, 409), answer.text
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["code"] == "unavailable"


@asynccontextmanager
async def shopkeeper_on(server: Server, **settings: Any) -> AsyncIterator[Shopkeeper]:
    database = Database(await server.admin.fresh("coupons", upgrade_async), size=5)
    app = make_app(settings_for(database, Settings, **settings))
    async with client(app, database) as http:
        yield Shopkeeper(http, database, app.state.door.database)
    await database.close()
    await server.start()
    await server.admin.drop(database.url)


@asynccontextmanager
async def going_on(*works: Any) -> AsyncIterator[None]:
    """These run beside the block; what they raise, the test raises."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for found in ended:
        if not isinstance(found, asyncio.CancelledError):
            raise AssertionError("it ended by itself") from found


async def test_a_database_that_is_killed_loses_nothing_and_halves_nothing(server: Server, running: Running) -> None:
    """Row 12"""
    dice = random.Random(3)
    sender = Sender(running)
    async with shopkeeper_on(server) as keeper:
        async with running.working():
            async with going_on(sender.run(), keeper.run()):
                for _ in range(4):
                    await asyncio.sleep(dice.uniform(0.4, 1.5))
                    server.kill()
                    await server.start()
                    await check_whole(running)
            await running.tick(DONE)
            await running.until(DONE)
        assert keeper.told_to_wait
        await keeper.check(more=1)
    await check_all(running, sender.sent)


STATES = ["40001", "40003", "40P01", "53100", "53200", "53300", "57014", "57P01", "57P02", "57P03", "25006"]
STATES += ["55P03", "58030", "XX000", "XX001", "XX002", "08006", "28P01", "3D000"]


async def fail_in_turn(database: Database, table: str) -> None:
    """What is written to the table is refused with one state after another; then the server is well again."""
    connection = await connect(database.url)
    await connection.execute(f"""
        CREATE SEQUENCE turns;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE states text[] := '{{{",".join(STATES)}}}'; turn int := nextval('turns');
        BEGIN
            IF turn <= cardinality(states) THEN RAISE EXCEPTION 'not now' USING ERRCODE = states[turn]; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION fail()""")
    await connection.close()


async def mend(database: Database) -> None:
    connection = await connect(database.url)
    await connection.execute("DROP FUNCTION IF EXISTS fail CASCADE; DROP SEQUENCE IF EXISTS turns")
    await connection.close()


async def test_whatever_a_failing_database_says_the_worker_waits_and_parks_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 12, 14, 15, 16, 18: a failing database is not poison"""
    monkeypatch.setattr("shared.worker._BACK_OFF", 0.0)
    await fail_in_turn(running.database, "orders")
    sender = Sender(running)
    await sender.send(40)
    await running.tick(DONE)
    async with running.working():
        await running.until(DONE)
    await check_all(running, sender.sent)
    assert (await rows(running.database, "SELECT last_value AS turns FROM turns"))[0]["turns"] > len(STATES)
    await mend(running.database)


async def test_whatever_a_failing_database_says_a_caller_is_told_to_come_again(server: Server) -> None:
    """Rows 12, 14, 15, 16, 18: 503 with Retry-After, never 500; the same key then makes it once"""
    async with shopkeeper_on(server) as keeper:
        await fail_in_turn(keeper.database, "templates")
        for state in STATES:
            answer = await keeper.ask("t0")
            assert answer.status_code == 503, f"{state}: {answer.text}"
            check_told_to_wait(answer)
        await keeper.make()
        assert keeper.told_to_wait == 0
        await keeper.check()
        await mend(keeper.database)


async def set_read_only(server: Server, database: Database, *, yes: bool) -> None:
    """For new sessions: those that are open stay what they were, as they do after a failover."""
    name = database.url.rsplit("/", 1)[1]
    await server.run(f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if yes else 'off'}")


async def cut_sessions(server: Server, database: Database) -> None:
    name = database.url.rsplit("/", 1)[1]
    await server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def test_a_server_that_came_back_read_only_is_waited_for_and_connected_to_anew(
    server: Server, running: Running
) -> None:
    """Row 14"""
    sender = Sender(running)
    await sender.send(10)
    async with shopkeeper_on(server) as keeper:
        for database in (running.database, keeper.database):
            await set_read_only(server, database, yes=True)
            await cut_sessions(server, database)
        async with running.working():
            await running.tick(DONE)
            for _ in range(12):
                check_told_to_wait(await keeper.ask("t0"))
                assert (await keeper.http.get("/v1/templates")).status_code == 200, "reading goes on"
                await asyncio.sleep(0.1)
            assert await check_whole(running) == 0
            for database in (running.database, keeper.database):
                await set_read_only(server, database, yes=False)
            await keeper.make()
            assert keeper.told_to_wait <= 1, "a connection that is read-only must not be used again"
            await running.until(DONE)
        await keeper.check()
    await check_all(running, sender.sent)


@asynccontextmanager
async def held(database: Database, statement: str) -> AsyncIterator[Any]:
    """Somebody's session stands in a transaction after this statement."""
    connection = await connect(database.url)
    await connection.execute("BEGIN")
    await connection.execute(statement)
    try:
        yield connection
    finally:
        connection.terminate()


@pytest.mark.parametrize(("statement_seconds", "wait_for_connection"), [(0.4, 10), (3, 0.2)])
async def test_callers_of_a_slow_or_busy_database_are_told_to_come_again_and_nobody_is_stuck(
    server: Server, statement_seconds: float, wait_for_connection: float
) -> None:
    """Row 15: a statement that takes too long is given up, and so is waiting for one of the ten connections"""
    async with shopkeeper_on(server, statement_seconds=statement_seconds) as keeper:
        keeper.app_database.wait_seconds = wait_for_connection
        async with held(keeper.database, "LOCK TABLE templates"), asyncio.timeout(20):
            answers = await asyncio.gather(*(keeper.ask(f"t{number}") for number in range(25)))
        assert [answer.status_code for answer in answers] == [503] * 25
        for answer in answers:
            check_told_to_wait(answer)
        assert keeper.app_database.in_use == 0
        # However busy the machine is: that they wait too long has been seen.
        keeper.app_database.wait_seconds = 10
        await asyncio.gather(*(keeper.ask(f"t{number}") for number in range(25)))
        keeper.made = 25
        await keeper.check()
        assert keeper.app_database.in_use == 0


async def test_workers_that_wait_for_each_other_both_finish_and_count_right(server: Server, running: Running) -> None:
    """Row 16: 40P01 is tried again as a whole"""
    name = running.database.url.rsplit("/", 1)[1]
    await server.run(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
    connection = await connect(running.database.url)
    await connection.execute("CREATE TABLE hot AS SELECT generate_series(0, 6) AS one, 0 AS touched")
    dice = random.Random(5)

    async def handle(session: Session, events: Iterable[Any]) -> None:
        count = len(list(events))
        for one in dice.sample(range(7), 7):
            await execute(session, "UPDATE hot SET touched = touched + $2 WHERE one = $1", one, count)
            await asyncio.sleep(0.005)
        await on_storefront_order_completed(session, events)

    running.paid_orders_go_to(handle)
    running.wiring = replace(running.wiring, session_seconds=6)
    sender = Sender(running)
    async with running.working(workers=2):
        await asyncio.sleep(2)  # until each has a partition
        for _ in range(60):
            await sender.send(5)
            await asyncio.sleep(0.02)
        await running.tick(DONE)
        await running.until(DONE)
    async with asyncio.timeout(10):  # statistics come late
        while not await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = $1", name):
            await asyncio.sleep(0.2)
    assert {row["touched"] for row in await connection.fetch("SELECT touched FROM hot")} == {sender.sent}
    await connection.execute("DROP TABLE hot")
    await connection.close()
    await server.run(f"ALTER DATABASE {name} RESET deadlock_timeout")
    await check_all(running, sender.sent)


async def test_a_session_of_ours_that_stands_still_in_a_transaction_is_ended(running: Running) -> None:
    """Row 17: after a minute; here sooner. The worker that it kept waiting goes on"""
    async with running.database.transaction() as session:
        assert await fetch_value(session, "SHOW idle_in_transaction_session_timeout") == "1min"
    sender = Sender(running)
    with pytest.raises(Exception) as ended:  # noqa: PT011
        async with running.working(), running.database.transaction() as session:
            await execute(session, "SET idle_in_transaction_session_timeout = '1s'")
            await fetch(session, "SELECT * FROM clock FOR UPDATE")
            await execute(session, "LOCK TABLE orders")
            await sender.send(20)
            await running.tick(DONE)
            await running.until(DONE)
            await execute(session, "INSERT INTO visits VALUES ('never', 'c', 's', now())")
    assert is_transient(ended.value)
    assert await rows(running.database, "SELECT * FROM visits") == []
    await check_all(running, sender.sent)


async def test_a_strangers_lock_makes_the_worker_wait_and_costs_nothing(running: Running) -> None:
    """Row 17: nothing is skipped or parked meanwhile, and it goes on by itself"""
    sender = Sender(running)
    async with running.working():
        async with held(running.database, "LOCK TABLE customers"):
            await sender.send(20)
            await running.tick(DONE)
            await asyncio.sleep(1.5)
            [state] = await rows(running.database, "SELECT sum(applied) AS applied FROM inbox")
            assert state["applied"] == 0
        await running.until(DONE)
    await check_all(running, sender.sent)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    place = folder / "postgres"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=False).returncode:
        pytest.skip("this machine lets us mount no tmpfs: a full disk cannot be made")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(folder: Path, but: int) -> Path:
    """Takes all room of the small disk but so many bytes."""
    filler = folder / "postgres" / "filler"
    with filler.open("wb") as file:
        left = shutil.disk_usage(filler).free - but
        while left > 0:
            left -= file.write(bytes(min(left, 1 << 20)))
    return filler


# Of a handshake that the panicking server cuts off the driver leaves the socket to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_after_a_full_disk_everything_is_there_and_nothing_is_half(servers: Stack) -> None:
    """Row 18: the server panics; when there is room again it recovers, and so do worker and callers"""
    folder = Path(tempfile.mkdtemp(prefix="comeback-disk-"))
    bootstrap = servers.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    with small_disk(folder, 320), server_in(folder, bootstrap) as server:
        async with profile_on(server) as running, shopkeeper_on(server) as keeper:
            sender = Sender(running)
            async with running.working():
                await sender.send(200)
                await keeper.make()
                filler = fill(folder, but=2_000_000)
                async with asyncio.timeout(60):
                    while (answer := await keeper.ask(f"t{keeper.made}")).status_code == 201:
                        keeper.made += 1
                        await sender.send(500)
                check_told_to_wait(answer)
                # The server has gone on without what did not fit. Without a log it cannot.
                with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
                    for _ in range(20):
                        await server.run("SELECT pg_logical_emit_message(true, 'x', 'y'), pg_switch_wal()")
                await sender.send(500)
                check_told_to_wait(await keeper.ask(f"t{keeper.made}"))
                filler.unlink()
                await server.start()
                await check_whole(running)
                await keeper.make()
                await running.tick(DONE)
                await running.until(DONE)
            await keeper.check()
            await check_all(running, sender.sent)
        log = (folder / "logs" / "postgres.log").read_text()
        assert "could not extend file" in log
        assert "PANIC" in log
    shutil.rmtree(folder)
