"""What a process tells Prometheus is what happened: on a real Kafka and PostgreSQL, and at the HTTP door."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from deploy.local.ports import choose_free
from services.profile.app import make_app
from services.profile.settings import Settings
from shared import metrics, topics
from shared.batches import Batch, Item
from shared.clock import BEGINNING, wall
from shared.database import execute
from shared.errors import Conflict
from shared.events.storefront import StorefrontOrderCompleted
from shared.http.app import create_app
from shared.http.door import access
from shared.http.door import router as make_router
from shared.inbox import Partition, Record
from shared.parked import Parked, add_parked
from shared.watching import Watch, report
from shared.worker import Worker
from tests.conftest import FreshDatabase
from tests.shared.test_worker import T0, Running, order, running  # noqa: F401
from tests.support.doing import client, rows, settings_for

ORDERS = topics.STOREFRONT_ORDERS
DAY = timedelta(days=1)
router = make_router("test")


@router.get("/things/{thing_id}", **access("profiles:read"))
async def get_thing(thing_id: str) -> dict[str, str]:
    if thing_id == "refused":
        raise Conflict("no", code="thing-is-shy")
    return {"thing_id": thing_id}


def value(name: str, **labels: str) -> float:
    registry = metrics.HTTP if name.startswith(("comeback_http", "comeback_refusals")) else metrics.WORKER
    return registry.get_sample_value(name, labels) or 0.0


def growth(name: str, **labels: str) -> Callable[[], float]:
    """By how much it has grown since: one process runs all tests."""
    before = value(name, **labels)
    return lambda: value(name, **labels) - before


def requests(route: str, method: str = "GET", status: str = "2xx") -> Callable[[], float]:
    return growth("comeback_http_request_duration_seconds_count", route=route, method=method, status=status)


@asynccontextmanager
async def at_work(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.05)


async def test_a_batch_counts_its_records_and_its_events_by_type(running: Running) -> None:  # noqa: F811
    records, batches = growth("comeback_batch_records_sum"), growth("comeback_batch_records_count")
    durations, rebalances = growth("comeback_batch_duration_seconds_count"), growth("comeback_rebalances_total")
    applied = growth("comeback_events_applied_total", type="storefront-order.completed")
    ticks = sum([await running.producer.count_partitions(topic) for topic in topics.STOREFRONT])
    await running.send(*(order(number, source_id="anna") for number in range(20)))
    await running.tick(T0 + DAY)
    async with running.working():
        await running.until(T0 + DAY)
        await until(lambda: records() >= 20 + ticks)
    assert (applied(), records()) == (20, 20 + ticks), "20 orders, and a tick in each partition of three topics"
    assert 1 <= batches() == durations()
    assert rebalances() >= 1


async def test_poison_counts_as_parked_by_its_kind_and_not_as_applied(running: Running) -> None:  # noqa: F811
    applied = growth("comeback_events_applied_total", type="storefront-order.completed")
    unreadable = growth("comeback_parked_total", reason="unreadable")
    refused = growth("comeback_parked_total", reason="refused")
    await running.send(order(1, source_id="anna"), b"\xff\x00", order(98), order(99))
    await running.tick(T0 + DAY)
    async with running.working():
        await running.until(T0 + DAY)
        await until(lambda: refused() >= 2)
    assert (applied(), unreadable(), refused()) == (1, 1, 2)


def test_what_proved_unreadable_in_an_earlier_try_takes_nothing_from_what_is_applied() -> None:
    """Its type was told by its first bytes; nothing of that type was applied for it."""
    applied = growth("comeback_events_applied_total", type="storefront-order.completed")
    cut = Item(Record("t", 0, 1, value=b'{"type":"com.com'), StorefrontOrderCompleted)
    assert cut.said() is None
    batch = Batch(events=[Item(Record("t", 0, 0), StorefrontOrderCompleted)], unreadable=[cut])
    report(batch, [(cut, cut.reason or "")], 0.1)
    assert applied() == 1


async def test_lag_is_what_the_log_holds_and_nobody_has_applied(running: Running) -> None:  # noqa: F811
    worker = Worker(running.wiring)
    watch = Watch(running.database, worker, wall_clock=False)
    async with at_work(worker):
        await until(lambda: len(worker.behind()) == 6)
        async with running.database.transaction() as session:
            await execute(session, "SELECT FROM inbox FOR UPDATE")  # no position moves as long as we hold it
            await running.tick(T0 + DAY)
            await running.send(*(order(number, source_id="anna") for number in range(5)))
            await until(lambda: sum(worker.behind().values()) == 11 and worker.newest_tick() == T0 + DAY)
            await watch.look()
            assert sorted(lag(ORDERS)) == [1, 6]
            assert value("comeback_lag_seconds") == (T0 + DAY).timestamp(), "the clock has not begun"
        await running.until(T0 + DAY)
        await until(lambda: not any(worker.behind().values()))
        await watch.look()
        assert lag(ORDERS) == [0, 0]
        assert value("comeback_lag_seconds") == 0
        assert value("comeback_clock_timestamp_seconds") == (T0 + DAY).timestamp()
        await worker.revoked()
        await watch.look()
        assert lag(ORDERS) == [], "whoever has the partitions now tells of them"


def lag(topic: str) -> list[float]:
    found = [metrics.WORKER.get_sample_value("comeback_lag_events", labels(topic, number)) for number in range(2)]
    return [each for each in found if each is not None]


def labels(topic: str, number: int) -> dict[str, str]:
    return {"topic": topic, "partition": str(number)}


async def test_a_batch_that_somebody_else_has_applied_counts_as_overtaken(running: Running) -> None:  # noqa: F811
    overtaken = growth("comeback_overtaken_total")
    async with running.working():
        await running.send(order(1, source_id="anna"))
        async with asyncio.timeout(30):
            while not (moved := await rows(running.database, "SELECT topic, partition FROM inbox WHERE applied > 0")):
                await asyncio.sleep(0.05)
        async with running.database.transaction() as session:
            await execute(
                session,
                "UPDATE inbox SET next_offset = next_offset + 1 WHERE topic = $1 AND partition = $2",
                *moved[0].values(),
            )
        await running.send(order(2, source_id="anna"))
        await until(lambda: overtaken() > 0)
    assert overtaken() == 1


class Idle:
    """A worker without partitions."""

    def behind(self) -> dict[Partition, int]:
        return {}

    def newest_tick(self) -> datetime:
        return BEGINNING


async def test_what_waits_in_the_outbox_and_among_the_parked_is_seen(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    watch = Watch(database, Idle(), wall_clock=False)
    async with database.transaction() as session:
        await execute(
            session,
            """INSERT INTO outbox (events, messages, created_at)
               VALUES (0, '', now()), (0, '', now() - interval '1 hour')""",
        )
        await add_parked(session, [Parked("t", 0, 1, None, b"", "no")])
    await watch.look()
    assert (value("comeback_outbox_rows"), value("comeback_parked_rows")) == (2, 1)
    assert 3600 <= value("comeback_outbox_oldest_age_seconds") < 3660
    async with database.transaction() as session:
        await execute(session, "DELETE FROM outbox")
    await watch.look()
    assert (value("comeback_outbox_rows"), value("comeback_outbox_oldest_age_seconds")) == (0, 0)


async def test_lag_grows_by_the_wall_when_nobody_ticks(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    async with database.transaction() as session:
        await execute(session, "UPDATE clock SET at = $1", wall() - timedelta(minutes=10))
    await Watch(database, Idle(), wall_clock=True).look()
    assert 600 <= value("comeback_lag_seconds") < 660
    await Watch(database, Idle(), wall_clock=False).look()
    assert value("comeback_lag_seconds") == 0, "in a replay no time passes without ticks"


@pytest.fixture
async def http(fresh_database: FreshDatabase) -> AsyncIterator[httpx.AsyncClient]:
    database = await fresh_database("profile")
    async with client(create_app("profile", settings_for(database), [router]), database, documented=False) as found:
        yield found


async def test_a_request_counts_under_its_routes_template_not_its_path(http: httpx.AsyncClient) -> None:
    found = requests("/v1/things/{thing_id}")
    for number in range(3):
        assert (await http.get(f"/v1/things/{number}")).status_code == 200
    assert found() == 3
    assert "/v1/things/1" not in (await http.get("/metrics")).text


async def test_bare_routes_and_mounted_files_count_under_what_was_declared(fresh_database: FreshDatabase) -> None:
    database = await fresh_database("profile")
    async with client(make_app(settings_for(database, Settings)), database) as http:
        counted = requests("/v1/identify", "POST", "4xx"), requests("/docs/assets"), requests("/docs")
        await http.post("/v1/identify", json={})
        await http.get("/docs/assets/swagger-ui.css")
        await http.get("/docs")
    assert [each() for each in counted] == [1, 1, 1]


async def test_what_callers_make_up_makes_no_new_series(http: httpx.AsyncClient) -> None:
    """Row 70 of the fault list"""
    unknown, strange = requests("unmatched", status="4xx"), requests("unmatched", "other", "4xx")
    odd = requests("/v1/things/{thing_id}", "other", "4xx")
    for number in range(5):
        await http.get(f"/v1/nothing/{number}")
        await http.request(f"FETCH{number}", "/nothing")
        await http.request(f"FETCH{number}", f"/v1/things/{number}")
    assert (unknown(), strange(), odd()) == (5, 5, 5)
    page = (await http.get("/metrics")).text
    assert "nothing" not in page
    assert "FETCH" not in page


async def test_refusals_count_by_code(http: httpx.AsyncClient) -> None:
    codes = ["thing-is-shy", "route-not-found", "key-missing"]
    grown = [growth("comeback_refusals_total", code=code) for code in codes]
    conflicts = requests("/v1/things/{thing_id}", status="4xx")
    await http.get("/v1/things/refused")
    await http.get("/v1/things/refused")
    await http.get("/nowhere")
    await http.get("/v1/things/1", headers={"Authorization": ""})
    assert [each() for each in grown] == [2, 1, 1]
    assert conflicts() == 3


async def test_metrics_of_an_app_answer_as_text_without_a_key_and_outside_the_document(
    fresh_database: FreshDatabase,
) -> None:
    database = await fresh_database("profile")
    app: FastAPI = create_app("profile", settings_for(database), [router])
    asked = requests("/metrics")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
        answer = await http.get("/metrics")
        openmetrics = await http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE comeback_http_request_duration_seconds histogram" in answer.text
    assert "comeback_lag_seconds" not in answer.text, "only a worker knows"
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert asked() == 0, "whoever looks is not counted"
    assert "/metrics" not in app.openapi()["paths"]


async def test_metrics_of_a_worker_answer_at_its_own_port_and_a_taken_port_stops_nobody() -> None:
    [port] = choose_free(1)
    server = metrics.listen("127.0.0.1", port)
    try:
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert "# TYPE comeback_batch_duration_seconds histogram" in answer.text
        assert "comeback_http" not in answer.text
        assert metrics.listen("127.0.0.1", port) is None
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
