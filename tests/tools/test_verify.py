"""`comeback verify` on a real system: it holds after a history, and finds each invariant that is broken on purpose."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from demo.storefront import Doors, Http
from deploy.local.names import PROCESSES, SERVERS, SERVICES
from deploy.local.stack import Stack
from shared import topics
from shared.database import connect
from shared.kafka import Producer
from tests.flows.world import Shop, World
from tools import main
from tools.verify import all_checks
from tools.verify.log import reach
from tools.verify.rebuilding import LOCK
from tools.verify.system import CLOCKED, UNCLOCKED

runner = CliRunner()


@dataclass
class System:
    home: Path
    stack: Stack
    environment: dict[str, str]
    # What was said while its processes still ran.
    running: dict[str, Any] = field(default_factory=dict)

    def verify(self, *words: str, **environment: str) -> tuple[int, dict[str, Any]]:
        result = runner.invoke(
            main.app, ["verify", "--json", *words], env={"COMEBACK_HOME": str(self.home), **environment}
        )
        assert result.stdout, result.exception
        return result.exit_code, json.loads(result.stdout)

    async def do(self, service: str, sql: str) -> None:
        connection = await connect(self.environment[f"COMEBACK_{service.upper()}_DATABASE_URL"])
        await connection.execute(sql)
        await connection.close()


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A system through which a small history has gone; its databases and its log are up, its processes are not."""
    home = Path(tempfile.mkdtemp(prefix="comeback-verify-"))
    stack = Stack(home, ports="free")
    try:
        stack.up(clock="stream")
        system = System(home, stack, stack.environment())
        asyncio.run(_play(system.environment))
        system.running = system.verify("--drained")[1]
        for name in PROCESSES:
            if name not in SERVERS:
                stack.kill(name)
        yield system
    finally:
        stack.reset()
        shutil.rmtree(home)


async def _play(environment: dict[str, str]) -> None:
    doors = Doors.of(environment)
    http = Http(doors)
    rule = {"field": "orders", "op": "gte", "value": 1}
    await http.post("segmentation", "/v1/segments", {"name": "buyers", "rule": rule}, "buyers")
    await http.close()
    producer = Producer(doors.bootstrap)
    await producer.start()
    await producer.publish(topics.STOREFRONT_VISITS, [("who", b"no event at all")])
    await producer.stop()
    # Of so few a fifth would now and then be nobody, and there would be nothing to break.
    await World(doors, Shop(seed=7, customers=14, days=16), holdout=0.5).play()
    log = await reach(environment["COMEBACK_KAFKA_BOOTSTRAP"])
    while not any(log.committed.get("metrics", {}).values()):
        await asyncio.sleep(0.2)
        await log.read_committed()
    await log.close()


@asynccontextmanager
async def broken(system: System, service: str, table: str, sql: str) -> AsyncIterator[None]:
    """The table as `sql` leaves it, and afterwards as it was."""
    await system.do(service, f"CREATE TABLE kept AS TABLE {table}; {sql}")
    try:
        yield
    finally:
        await system.do(service, f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept")


def wrong(report: dict[str, Any]) -> dict[str, str]:
    """The first wrong row of each invariant that is broken."""
    found: dict[str, str] = {}
    for check in report["checks"]:
        if check["state"] == "wrong":
            found.setdefault(check["invariant"], check["found"])
    return found


def first(table: str, key: str, where: str = "true") -> str:
    return f"{key} = (SELECT min({key}) FROM {table} WHERE {where})"


def test_a_running_system_that_has_nothing_left_to_do_is_fine(system: System) -> None:
    """I1 to I5, I7 to I10, I13, I15"""
    assert wrong(system.running) == {}
    assert system.running["moving"] == []
    assert [check["what"] for check in system.running["checks"] if check["state"] != "ok"] == []
    compared = {check["what"]: check["compared"] for check in system.running["checks"]}
    # Nothing waits; all else had something to compare.
    assert {what for what, count in compared.items() if not count} == {"no row of an outbox is older than --max-age"}
    assert system.running["not_checked"].keys() == {"I6"}


def of_rebuilding(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [check for check in report["checks"] if check["invariant"] == "I6"]


def test_what_the_log_makes_once_more_is_what_there_is(system: System) -> None:
    """I6"""
    code, report = system.verify("--rebuild")
    assert code == 0
    assert report["not_checked"] == {}
    assert [(check["state"], check["found"]) for check in of_rebuilding(report)] == [("ok", None)] * 3
    assert all(check["compared"] > 50 for check in of_rebuilding(report))


async def test_whatever_differs_from_what_the_log_makes_is_named_and_nothing_is_left_behind(system: System) -> None:
    """I6"""
    history = "UPDATE lifecycle_history SET since = since - interval '1 s' WHERE stage = 'potential'"
    async with (
        broken(system, "profile", "customers", "UPDATE customers SET anonymous_id = 'planted' WHERE orders = 1"),
        broken(system, "segmentation", "lifecycle_history", history),
        broken(system, "metrics", "stages", "DELETE FROM stages WHERE stage = 'new'"),
    ):
        code, report = await asyncio.to_thread(system.verify, "--rebuild", "--wait", "0")
    profile, segmentation, metrics = (check["found"] for check in of_rebuilding(report))
    assert code == 1
    assert "customers: customer_id=" in profile
    assert "profile has anonymous_id=planted" in profile
    assert segmentation.startswith("lifecycle_history: customer_id=")
    assert metrics.startswith("stages: model=default")
    assert metrics.endswith("is in metrics as rebuilt and not in metrics")
    assert await databases(system) == {"postgres", *SERVICES}


async def databases(system: System) -> set[str]:
    connection = await connect(system.stack.admin_url)
    names = await connection.fetch("SELECT datname FROM pg_database WHERE NOT datistemplate")
    await connection.close()
    return {name for (name,) in names}


async def test_a_log_that_does_not_say_all_is_compared_with_nothing(system: System) -> None:
    """I6"""
    lost = "UPDATE inbox SET first_offset = -1, applied = applied + 1 WHERE topic = 'storefront-orders'"
    async with broken(system, "profile", "inbox", lost):
        _, report = await asyncio.to_thread(system.verify, "--rebuild", "--wait", "0")
    profile, *others = of_rebuilding(report)
    assert profile["state"] == "skipped"
    assert profile["found"].startswith("the log is not whole any more: storefront-orders/0 begins at 0, and profile")
    assert [check["state"] for check in others] == ["ok", "ok"]


async def test_what_was_parked_and_retried_is_not_held_against_the_log(system: System) -> None:
    """I6"""
    async with broken(system, "profile", "parked", "DELETE FROM parked"):
        _, report = await asyncio.to_thread(system.verify, "--rebuild", "--wait", "0")
    profile, *_ = of_rebuilding(report)
    assert profile["state"] == "skipped"
    assert profile["found"].endswith("is parked when rebuilt only")


async def test_only_one_rebuilds_at_a_time(system: System) -> None:
    """I6"""
    connection = await connect(system.stack.admin_url)
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    try:
        _, report = await asyncio.to_thread(system.verify, "--rebuild")
    finally:
        await connection.close()
    found = {(check["state"], check["found"]) for check in of_rebuilding(report)}
    assert found == {("skipped", "Another `comeback verify --rebuild` is running: wait until it has ended.")}


BREAKS = [
    # I1 of positions
    ("profile", "inbox", "UPDATE inbox SET applied = applied + 1 WHERE ticks > 0", {"I1"}, '"first_offset":0'),
    (
        "coupons",
        "inbox",
        "UPDATE inbox SET next_offset = next_offset + 7, applied = applied + 7 WHERE topic = 'profile-events'",
        {"I1"},
        "which ends at",
    ),
    # I1 of facts
    (
        "segmentation",
        "known_orders",
        f"DELETE FROM known_orders WHERE {first('known_orders', 'order_key')}",
        {"I1"},
        "is in profile and not in segmentation",
    ),
    (
        "segmentation",
        "customers",
        f"UPDATE customers SET version = version - 1 WHERE {first('customers', 'customer_id')}",
        {"I1"},
        "profile has version=",
    ),
    (
        "metrics",
        "orders",
        f"UPDATE orders SET paid_at = paid_at - interval '1 s' WHERE {first('orders', 'order_id')}",
        {"I1"},
        "metrics has paid_at=",
    ),
    ("metrics", "visits", f"DELETE FROM visits WHERE {first('visits', 'visited_at')}", {"I1"}, "metrics has visits="),
    (
        "targeting",
        "known_customers",
        f"UPDATE known_customers SET stage = 'vip' WHERE {first('known_customers', 'customer_id', 'stage <> $$vip$$')}",
        {"I1"},
        "targeting has stage=vip",
    ),
    (
        "targeting",
        "known_customers",
        f"DELETE FROM known_customers WHERE {first('known_customers', 'customer_id')}",
        {"I1"},
        "is in profile and not in targeting",
    ),
    ("targeting", "known_memberships", "DELETE FROM known_memberships", {"I1"}, "and not in targeting"),
    (
        "targeting",
        "decision_outcomes",
        f"DELETE FROM decision_outcomes WHERE {first('decision_outcomes', 'decision_id')}",
        {"I1"},
        "is in coupons and not in targeting",
    ),
    (
        "coupons",
        "known_decisions",
        "DELETE FROM known_decisions WHERE outcome = 'withheld'",
        {"I1"},
        "is in targeting and not in coupons",
    ),
    ("metrics", "campaigns", "UPDATE campaigns SET version = 1", {"I1"}, "metrics has version=1"),
    ("metrics", "coupons", "DELETE FROM coupons", {"I1", "I10"}, "is in coupons and not in metrics"),
    (
        "metrics",
        "redemptions",
        "UPDATE redemptions SET rolled_back = true",
        {"I1", "I5", "I10"},
        "metrics has rolled_back=True",
    ),
    # I2
    (
        "profile",
        "customer_spend",
        "UPDATE customer_spend SET paid_amount = paid_amount + 1",
        {"I2"},
        '"summed_amount":',
    ),
    ("profile", "customers", "UPDATE customers SET last_visit_at = now()", {"I2"}, '"last_visit_at":'),
    ("profile", "customers", "UPDATE customers SET orders = orders + 1", {"I1", "I2"}, "profile has orders="),
    ("profile", "refunds", "DELETE FROM refunds", {"I2"}, '"summed":0'),
    ("profile", "orders", "UPDATE orders SET counted = false WHERE counted", {"I1", "I2", "I10"}, "counted=False"),
    # I3
    ("coupons", "templates", "UPDATE templates SET issued = issued - 1", {"I3"}, '"issued":'),
    (
        "coupons",
        "template_versions",
        "UPDATE template_versions SET definition = definition || '{\"quantity\": 2}'",
        {"I3"},
        '"quantity":2',
    ),
    (
        "coupons",
        "coupons",
        "UPDATE coupons SET decision_id = (SELECT min(decision_id) FROM coupons)",
        {"I3"},
        '"coupons":',
    ),
    # I4
    ("coupons", "coupons", "UPDATE coupons SET used = used + 1 WHERE used = 0", {"I4"}, '"used":1,"standing":0'),
    ("coupons", "coupons", "UPDATE coupons SET uses = 0 WHERE used = 1", {"I4"}, '"uses":0'),
    ("coupons", "redemptions", "UPDATE redemptions SET order_id = ''", {"I1", "I4"}, "coupons has order_id="),
    # I5
    ("metrics", "redemptions", "UPDATE redemptions SET platform = platform + 1", {"I5"}, "metrics has platform="),
    ("coupons", "redemptions", "UPDATE redemptions SET merchant = -1", {"I5"}, '"merchant":-1'),
    # I7
    ("segmentation", "clock", "UPDATE clock SET at = at + interval '1 day'", {"I7"}, '"lowest_tick"'),
    ("profile", "clock", "UPDATE clock SET at = at - interval '1 day'", {"I7"}, "is ahead of profile's"),
    # I8
    (
        "targeting",
        "outbox",
        "INSERT INTO outbox (events, messages, created_at) VALUES (1, 'x', now() - interval '2 min')",
        {"I8"},
        '"events":1',
    ),
    # I9
    (
        "metrics",
        "inbox",
        "UPDATE inbox SET next_offset = first_offset, applied = 0, ticks = 0",
        {"I9"},
        "metrics: the group committed",
    ),
    # I10
    (
        "metrics",
        "orders",
        "INSERT INTO orders VALUES ('north', 'never-told', 1, 'c1', 'USD', 100, 0, true, now())",
        {"I10"},
        "metrics has orders=",
    ),
    # I13
    (
        "profile",
        "parked",
        "INSERT INTO parked (topic, partition, record_offset, reason) VALUES ('storefront-orders', 0, 999999, 'r')",
        {"I13"},
        '"record_offset":999999',
    ),
    (
        "metrics",
        "inbox",
        "UPDATE inbox SET parked = 1, applied = applied - 1",
        {"I13"},
        '"counted":1,"kept":0',
    ),
]


@pytest.mark.parametrize(("service", "table", "sql", "expected", "row"), BREAKS)
async def test_what_is_broken_is_named_with_its_row(
    system: System, service: str, table: str, sql: str, expected: set[str], row: str
) -> None:
    """I1 to I5, I7 to I10, I13"""
    async with broken(system, service, table, sql):
        code, report = await asyncio.to_thread(system.verify, "--wait", "0")
    found = wrong(report)
    assert code == 1
    assert found.keys() == expected
    assert row in " ".join(found.values())


async def test_a_transaction_that_nobody_ends_is_named(system: System) -> None:
    """I15"""
    connection = await connect(system.environment["COMEBACK_COUPONS_DATABASE_URL"])
    async with connection.transaction():
        await connection.execute("SELECT 1")
        await asyncio.sleep(0.6)
        code, report = await asyncio.to_thread(system.verify, "--max-age", "0.5")
    await connection.close()
    assert code == 1
    assert wrong(report).keys() == {"I15"}
    assert "idle in transaction" in wrong(report)["I15"]


async def test_what_is_on_its_way_is_skipped_unless_nothing_may_be(system: System) -> None:
    """I1"""
    told = "INSERT INTO outbox (events, messages) VALUES (1, 'x')"
    async with broken(system, "profile", "outbox", told):
        code, report = await asyncio.to_thread(system.verify, "--wait", "0.3")
        assert (code, report["moving"]) == (0, ["profile has 1 rows in its outbox"])
        skipped = [check for check in report["checks"] if check["state"] == "skipped"]
        assert {check["invariant"] for check in skipped} == {"I1", "I5", "I10", "I15"}
        code, report = await asyncio.to_thread(system.verify, "--wait", "0", "--drained")
        assert code == 1
        assert wrong(report) == {"I1": "profile has 1 rows in its outbox"}


def test_without_kafka_the_databases_are_still_checked(system: System) -> None:
    code, report = system.verify(COMEBACK_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert code == 0
    assert report["moving"] == ["Kafka does not answer, so nobody knows what is still in the log"]
    code, report = system.verify("--drained", COMEBACK_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert code == 0
    assert {each["invariant"] for each in report["checks"] if each["state"] == "skipped"} == {"I1", "I9", "I15"}


def test_a_person_reads_a_table(system: System) -> None:
    """Repaired, everything holds again."""
    result = runner.invoke(main.app, ["verify"], env={"COMEBACK_HOME": str(system.home), "COLUMNS": "150"})
    assert result.exit_code == 0
    assert "I6   not checked" in result.stdout
    assert "Everything that was compared holds." in result.stdout


def test_a_stack_that_is_not_there_is_no_broken_invariant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMEBACK_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["comeback", "verify"])
    with pytest.raises(SystemExit) as ended:
        main.run()
    assert ended.value.code == 2
    assert "comeback stack up" in " ".join(capsys.readouterr().err.split())


def test_every_invariant_has_a_check() -> None:
    assert {check.invariant for check in all_checks()} == {f"I{n}" for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 15)}


def test_verify_knows_who_listens_to_what() -> None:
    for service in SERVICES:
        consumers = import_module(f"services.{service}.consumers").consumers
        assert consumers.clocked == list(CLOCKED[service])
        assert consumers.unclocked == list(UNCLOCKED.get(service, ()))
