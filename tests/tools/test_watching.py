"""What a person sees of a running system: events as they pass, one customer's story, how each service stands."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from msgspec.structs import fields
from typer.testing import CliRunner

from demo.storefront import Doors
from deploy.local.names import SERVICES
from deploy.local.stack import Stack
from shared import topics
from shared.database import connect
from shared.events import short_type
from shared.events.codec import EVENTS, encode
from shared.events.storefront import Person, StorefrontVisitRecorded, Visit
from shared.inbox import Record
from shared.kafka import Producer
from tests.flows.world import DAY, START, Shop, World
from tools.main import app
from tools.tailing import FIELDS, TYPES, Seen

DAYS = 16
runner = CliRunner(env={"COLUMNS": "160"})


@pytest.fixture(scope="module")
def system() -> Iterator[Stack]:
    """Some days of a small shop: a campaign on the tenth gives coupons, every other one is used."""
    folder = Path(tempfile.mkdtemp(prefix="comeback-watching-"))
    stack = Stack(folder, ports="free")
    try:
        stack.up(clock="stream")
        asyncio.run(_play(stack))
        yield stack
    finally:
        stack.reset()
        shutil.rmtree(folder)


async def _play(stack: Stack) -> None:
    await World(Doors.of(stack.environment()), Shop(seed=7, customers=6, days=DAYS)).play()


def comeback(stack: Stack, *words: str) -> tuple[int, str, str]:
    result = runner.invoke(app, words, env={"COMEBACK_HOME": str(stack.home.folder)})
    return result.exit_code, result.stdout, result.stderr


async def _rows(stack: Stack, service: str, sql: str) -> list[Any]:
    connection = await connect(stack.environment()[f"COMEBACK_{service.upper()}_DATABASE_URL"])
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


def rows(stack: Stack, service: str, sql: str) -> list[Any]:
    return asyncio.run(_rows(stack, service, sql))


@contextmanager
def tailing(stack: Stack, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """`comeback events tail` in a process of its own, listening; killed if the block leaves it running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.main", "events", "tail", *words],
        env={"COMEBACK_HOME": str(stack.home.folder), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert process.stderr is not None
        assert "Listening" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def visit(number: int) -> bytes:
    data = Visit(person=Person(source_id="c0"), shop_id="north")
    return encode(StorefrontVisitRecorded(id=f"seen-{number}", source="test", time=START + DAYS * DAY, data=data))


def tell(stack: Stack, bodies: list[bytes]) -> None:
    async def publish() -> None:
        producer = Producer(stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"])
        await producer.start()
        await producer.publish(topics.STOREFRONT_VISITS, [(f"c{n}", body) for n, body in enumerate(bodies)])
        await producer.stop()

    asyncio.run(publish())


async def _committed(stack: Stack) -> dict[str, Any]:
    """By group, what it has committed."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"])
    await admin.start()
    try:
        names = [name for name, *_ in await admin.list_consumer_groups()]
        return {name: await admin.list_consumer_group_offsets(name) for name in names}
    finally:
        await admin.close()


def rebalances(stack: Stack) -> list[int]:
    """How often each service's worker was given partitions."""
    return [stack.home.log(f"{service}-worker").read_text().count("partitions.assigned") for service in SERVICES]


def test_every_type_of_event_has_a_line() -> None:
    assert FIELDS.keys() == set(TYPES)
    for event in EVENTS:
        data = {field.name for field in fields(event.__annotations__["data"])} | {"stage"}
        assert set(FIELDS[short_type(event)]) <= data


def test_a_name_with_a_line_break_stays_on_its_line() -> None:
    data = Visit(person=Person(source_id="anna"), shop_id="north\n\x1b[31m")
    body = encode(StorefrontVisitRecorded(id="1", source="test", time=START, data=data))
    line = Seen.of(Record("t", 0, 7, b"anna", body, timestamp=1)).line()
    assert line.isprintable()
    assert line.startswith("1970-01-01T00:00:00.001Z t/0@7 storefront-visit.recorded anna shop_id=north\\n")


def test_tail_disturbs_no_group(system: Stack) -> None:
    committed, rebalanced = asyncio.run(_committed(system)), rebalances(system)
    assert set(SERVICES) <= committed.keys()
    assert all(rebalanced)
    code, out, _ = comeback(system, "events", "tail", "--from-start", "--count", "40")
    assert code == 0
    assert len(out.splitlines()) == 40
    after = asyncio.run(_committed(system))
    assert {service: after[service] for service in SERVICES} == {service: committed[service] for service in SERVICES}
    assert all(not offsets for name, offsets in after.items() if name.startswith("comeback-"))
    assert rebalances(system) == rebalanced


def test_tail_from_the_start_finds_a_customer_by_the_storefronts_own_id(system: Stack) -> None:
    code, out, _ = comeback(
        system, "events", "tail", "--from-start", "--customer", "c1", "--type", "decision.made", "--count", "1"
    )
    (customer,) = rows(system, "profile", "SELECT customer_id FROM customers WHERE source_id = 'c1'")
    assert code == 0
    assert f"decision.made {customer['customer_id']} decision_id=dec_" in out
    code, out, _ = comeback(
        system, "events", "tail", "--from-start", "--customer", customer["customer_id"], "--count", "5"
    )
    assert code == 0
    assert " c1 " in out
    assert " c2 " not in out
    assert "clock.ticked" not in out


def test_what_does_not_exist_is_refused(system: Stack) -> None:
    assert comeback(system, "events", "tail", "--topic", "nonsense")[0] == 2
    assert comeback(system, "events", "tail", "--type", "nonsense")[0] == 2


def test_a_trace_tells_the_story_in_order_across_services(system: Stack) -> None:
    (used,) = rows(
        system,
        "coupons",
        """SELECT c.* FROM coupons AS c JOIN redemptions USING (coupon_id) ORDER BY code LIMIT 1""",
    )
    code, out, _ = comeback(system, "trace", used["customer_id"])
    assert code == 0
    story = [line for line in out.splitlines() if re.match(r"\d{4}-", line)]
    assert story == sorted(story, key=lambda line: line[:20])
    assert {line.split()[2] for line in story} == set(SERVICES)
    wanted = [
        "profile .* paid: ",
        "segmentation  stage none → ",
        f"targeting     campaign scheduled: treated .*{used['decision_id']}",
        f"coupons       coupon {used['code']} issued .*{used['decision_id']}",
        f"coupons       coupon {used['code']} used on order x-{used['code']} in north .*platform bears 300",
        "metrics       campaign scheduled: ",
    ]
    places = [[n for n, line in enumerate(story) if re.search(each, line)] for each in wanted]
    assert all(places), out
    decided, issued, redeemed = (each[0] for each in places[2:5])
    assert decided < issued < redeemed
    assert "redemption" in out.splitlines()[-1]


def test_every_id_of_a_customer_leads_to_the_same_story(system: Stack) -> None:
    (used,) = rows(
        system, "coupons", "SELECT c.*, order_id FROM coupons AS c JOIN redemptions USING (coupon_id) LIMIT 1"
    )
    (known,) = rows(system, "profile", f"SELECT source_id FROM customers WHERE customer_id = '{used['customer_id']}'")
    (order,) = rows(
        system, "profile", f"SELECT order_key, order_id FROM orders WHERE customer_id = '{used['customer_id']}' LIMIT 1"
    )
    stories = [
        json.loads(comeback(system, "trace", each, "--json")[1])
        for each in (used["customer_id"], known[0], *order, used["decision_id"], used["code"], used["order_id"])
    ]
    assert all(story == stories[0] for story in stories)
    assert stories[0]["customer_id"] == used["customer_id"]
    code, out, _ = comeback(system, "trace", used["campaign_id"], known[0], "--json")
    assert code == 0
    assert {each["ids"].get("campaign_id") for each in json.loads(out)["entries"]} == {None, used["campaign_id"]}


def test_an_unknown_id_is_said_so(system: Stack) -> None:
    code, out, said = comeback(system, "trace", "nobody")
    assert (code, out) == (1, "")
    assert said.startswith("comeback: Nothing is known of nobody")
    (campaign,) = rows(system, "targeting", "SELECT campaign_id FROM campaigns WHERE name = 'scheduled'")
    code, _, said = comeback(system, "trace", campaign[0])
    assert code == 1
    assert "name a customer behind it" in said
    assert comeback(system, "trace", "nonsense", "c1")[0] == 1


def test_every_event_that_passes_is_shown_once(system: Stack) -> None:
    with tailing(system, "--topic", topics.STOREFRONT_VISITS, "--count", "31") as process:
        tell(system, [*map(visit, range(30)), b"nonsense"])
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    lines = out.splitlines()
    places = [line.split()[1] for line in lines]
    assert len(set(places)) == len(places) == 31
    assert all(place.startswith("storefront-visits/") for place in places)
    assert sum(" storefront-visit.recorded c0 shop_id=north name=page" in line for line in lines) == 30
    assert sum(" unreadable: JSON is malformed" in line for line in lines) == 1


def test_tail_ends_well_with_ctrl_c(system: Stack) -> None:
    with tailing(system) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def standing(stack: Stack) -> tuple[int, dict[str, list[str]]]:
    """By service, the cells of its line in the second table."""
    code, out, _ = comeback(stack, "stack", "status")
    lines = out.split("service ", 1)[1].splitlines()[1:]
    return code, {line.split()[0]: re.split(r"\s{2,}", line.strip())[1:] for line in lines if line.strip()}


def until(stack: Stack, service: str, cell: int, value: str) -> dict[str, list[str]]:
    limit = time.monotonic() + 20
    while (found := standing(stack)[1])[service][cell] != value:
        assert time.monotonic() < limit, found
        time.sleep(0.2)
    return found


def test_status_shows_lag_clock_outbox_and_parked(system: Stack) -> None:
    until(system, "profile", 3, "1")  # the nonsense that was told above
    system.kill("metrics-worker", signal.SIGTERM)
    while system.processes.find("metrics-worker") is not None:
        time.sleep(0.05)
    asyncio.run(_put_into_outbox(system))
    tell(system, [visit(100)])
    until(system, "segmentation", 1, "0")
    code, found = standing(system)
    assert code == 1
    clock = f"{START + DAYS * DAY:%Y-%m-%d %H:%M:%S}"
    assert found["profile"] == [clock, "0", "0", "1", "12"]
    at, behind, outbox, oldest, parked, partitions = found["metrics"]
    assert (at, outbox, parked, partitions) == (clock, "1", "0", "16")
    assert int(behind) > 0
    assert float(oldest.removesuffix(" s")) >= 90


async def _put_into_outbox(stack: Stack) -> None:
    # Metrics tells nothing, so nobody takes it out again.
    connection = await connect(stack.environment()["COMEBACK_METRICS_DATABASE_URL"])
    await connection.execute(
        "INSERT INTO outbox (events, messages, created_at) VALUES (0, '', now() - interval '90 seconds')"
    )
    await connection.close()


def test_status_says_what_is_down(system: Stack) -> None:
    system.kill("kafka")
    code, found = standing(system)
    assert code == 1
    assert found["coupons"][1] == "?"
    system.kill("postgres")
    code, found = standing(system)
    assert code == 1
    assert found == {service: ["down"] for service in SERVICES}
