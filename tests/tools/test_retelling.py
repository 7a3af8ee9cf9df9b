"""`comeback retell`: told anew, everybody agrees again, nothing counts twice and nobody gets another coupon."""

import asyncio
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import structs
from typer.testing import CliRunner

from services.profile.consumers import consumers as profile
from shared.database import Database, connect, lock_session
from shared.events import ClockTicked, Event, short_type, storefront
from shared.events.codec import EVENTS
from shared.events.profile import OrderCancelled, OrderRefunded, VisitsRecorded
from shared.events.segmentation import SegmentLeft
from shared.events.storefront import Order, Person, StorefrontOrderCompleted
from shared.outbox import RELAY_LOCK
from tests.conftest import FreshDatabase
from tests.flows.tables import differences
from tests.flows.test_disorder import history
from tests.flows.world import DAY, START, recall_campaign, template_body
from tests.support import doing
from tests.support.pipeline import Pipeline
from tools import retelling
from tools.main import app
from tools.retelling import TELLERS, tell_anew
from tools.verify import facts

DAYS = 48
# Behind the last day of the history, and before anything becomes due by itself.
END = START + (DAYS + 1) * DAY
MOMENT = timedelta(microseconds=1)
BUYERS = {"field": "orders", "op": "gte", "value": 1}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "_CHUNK", 3)


def order(number: int, name: str, at: datetime, **fields: Any) -> StorefrontOrderCompleted:
    data = Order(
        person=Person(source_id=name), shop_id="north", order_id=f"late-{number}", total=4_000, currency="USD", **fields
    )
    return StorefrontOrderCompleted(id=f"late-{number}", source="test", time=at, data=data)


async def post(pipeline: Pipeline, service: str, path: str, body: Any) -> dict[str, Any]:
    async with pipeline.door(service) as http:
        answer = await http.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


async def start_campaign(pipeline: Pipeline, audience: Any, business_line: str = "shop") -> str:
    template = await post(pipeline, "coupons", "/v1/templates", template_body(business_line) | {"quantity": 4})
    campaign = recall_campaign(template["template_id"]) | {"audience": audience, "business_line": business_line}
    made = await post(pipeline, "targeting", "/v1/campaigns", campaign)
    await post(pipeline, "targeting", f"/v1/campaigns/{made['campaign_id']}/start", {})
    return made["campaign_id"]


async def lived(fresh_database: FreshDatabase) -> Pipeline:
    """A shop after 48 days: stages, segments, campaigns, coupons issued, withheld, used, given back and expired."""
    pipeline = await Pipeline.make(fresh_database)
    await pipeline.pass_to(START)
    segment = await post(pipeline, "segmentation", "/v1/segments", {"name": "buyers", "rule": BUYERS})
    await start_campaign(pipeline, {"kind": "stage", "stage": "silent"})
    await start_campaign(pipeline, {"kind": "segment", "segment_id": segment["segment_id"]}, "welcome")
    for number, events in enumerate(history()):
        pipeline.tell(events)
        if number == DAYS - 3:
            pipeline.tell([await naming_a_code(pipeline)])
        await pipeline.pass_to(START + (number + 1) * DAY)
    await use_coupons(pipeline)
    await pipeline.pass_to(END)
    await pipeline.pass_to(END + MOMENT)
    return pipeline


async def naming_a_code(pipeline: Pipeline) -> Event:
    """A paid order that names a coupon of its customer."""
    [row] = await pipeline.ask("coupons", "SELECT code, customer_id FROM coupons ORDER BY issued_at DESC LIMIT 1")
    found = await pipeline.ask("profile", f"SELECT source_id FROM customers WHERE customer_id = '{row['customer_id']}'")
    return order(1, found[0]["source_id"], START + (DAYS - 3) * DAY + timedelta(hours=1), coupons=[row["code"]])


async def use_coupons(pipeline: Pipeline) -> None:
    for number, row in enumerate(await pipeline.ask("coupons", "SELECT code FROM coupons WHERE used = 0")):
        use = {"code": row["code"], "shop_id": "north", "order_id": f"x{number}", "amount": 2_000, "currency": "USD"}
        async with pipeline.door("coupons") as http:
            answer = await http.post("/v1/redemptions", json=use)
            if answer.status_code == 201 and number % 2:
                await http.post(f"/v1/redemptions/{answer.json()['redemption_id']}/rollback", json={})


# By which tick it was told last is the version of a stage and of a membership, as seen by those who hear of it.
RANKS = {
    "targeting.known_customers": "stage_decided_at",
    "targeting.known_memberships": "decided_at",
    "metrics.stages": "decided_at",
}


async def tables(pipeline: Pipeline, *services: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every business table, of these services or all, without what only says which telling was the last."""
    found = await pipeline.tables()
    for name, rank in RANKS.items():
        service, table = name.split(".")
        rows = await pipeline.ask(service, f"SELECT to_jsonb(t) - '{rank}' AS row FROM {table} AS t")
        found[name] = sorted([(row["row"],) for row in rows], key=repr)
    # A retold campaign has one version more, which says the same.
    found["targeting.campaign_versions"] = sorted(set(found["targeting.campaign_versions"]), key=repr)
    # Which marks a tick has taken is no fact, and a telling marks.
    found.pop("segmentation.marks")
    return {name: rows for name, rows in found.items() if not services or name.split(".")[0] in services}


async def disagreements(pipeline: Pipeline) -> list[str]:
    """What `comeback verify` would find: what an owner knows and a listener does not, or otherwise."""
    databases = {service: await connect(pipeline.url_of(service)) for service in ("metrics", *TELLERS)}
    view: Any = SimpleNamespace(databases=databases, moving=[], must_be_drained=True)
    try:
        for connection in databases.values():
            await connection.execute("BEGIN")
        findings = [await check.run(view) for check in facts.checks()]
    finally:
        for connection in databases.values():
            await connection.close()
    assert any(finding.compared for finding in findings)
    return [finding.wrong for finding in findings if finding.wrong]


async def test_everything_told_anew_changes_nothing_and_gives_nobody_another_coupon(
    fresh_database: FreshDatabase,
) -> None:
    pipeline = await lived(fresh_database)
    before = await tables(pipeline)
    for name in ("targeting.decisions", "coupons.coupons", "metrics.redemptions", "segmentation.memberships"):
        assert before[name], f"{name} is empty, so nothing is proven"
    assert {"issued", "withheld", "refused"} <= {row["outcome"] for row in await pipeline.ask("coupons", OUTCOMES)}
    assert await pipeline.ask("coupons", "SELECT 1 FROM redemptions WHERE by_order")
    assert await pipeline.ask("coupons", "SELECT 1 FROM redemptions WHERE rolled_back_at IS NOT NULL")
    assert await pipeline.ask("coupons", "SELECT 1 FROM coupons WHERE expiry_told")
    for service in TELLERS:
        assert await pipeline.retell(service)
        await pipeline.pass_to(END + 2 * MOMENT)
    found = differences(before, await tables(pipeline))
    assert not found, "\n".join(found)
    assert await disagreements(pipeline) == []


OUTCOMES = "SELECT DISTINCT outcome FROM known_decisions WHERE outcome IS NOT NULL"


async def empty(pipeline: Pipeline, service: str, *names: str) -> None:
    connection = await connect(pipeline.url_of(service))
    await connection.execute(f"TRUNCATE {', '.join(names)}")
    await connection.close()


async def test_metrics_that_begins_with_nothing_is_filled(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    before = await tables(pipeline, "metrics")
    await empty(pipeline, "metrics", *(name.split(".")[1] for name in before))
    for service in TELLERS:
        await pipeline.retell(service)
    found = differences(before, await tables(pipeline, "metrics"))
    assert not found, "\n".join(found)


async def test_targeting_that_has_forgotten_what_others_told_is_filled(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    names = ("known_customers", "known_memberships", "decision_outcomes")
    before = await tables(pipeline, "targeting")
    await empty(pipeline, "targeting", *names)
    for service in ("profile", "segmentation", "coupons"):
        await pipeline.retell(service)
    await pipeline.pass_to(END + 2 * MOMENT)
    found = differences(before, await tables(pipeline, "targeting"))
    assert not found, "\n".join(found)


async def test_segmentation_that_has_forgotten_its_customers_has_the_same_stages_and_histories(
    fresh_database: FreshDatabase,
) -> None:
    """Its segments are its own; since when a member is in one cannot be known any more."""
    pipeline = await lived(fresh_database)
    before, decided = await tables(pipeline), await pipeline.ask("targeting", "SELECT decision_id FROM decisions")
    standing = "SELECT customer_id, stage, stage_since, reacquired, due_at FROM lifecycle_states ORDER BY 1"
    stages, members = await pipeline.ask("segmentation", standing), await pipeline.ask("segmentation", MEMBERS)
    forgotten = ("customers", "known_orders", "lifecycle_states", "lifecycle_history", "memberships", "memberships_due")
    await empty(pipeline, "segmentation", *forgotten)
    await pipeline.retell("profile")
    await pipeline.pass_to(END + 2 * MOMENT)
    kept = [f"segmentation.{name}" for name in ("customers", "known_orders", "lifecycle_history")]
    after = await tables(pipeline)
    found = differences({name: before[name] for name in kept}, {name: after[name] for name in kept})
    assert not found, "\n".join(found)
    assert await pipeline.ask("segmentation", standing) == stages
    assert await pipeline.ask("segmentation", MEMBERS) == members
    assert len(await pipeline.ask("targeting", "SELECT decision_id FROM decisions")) == len(decided)


MEMBERS = "SELECT customer_id, segment_id FROM memberships ORDER BY 1, 2"


async def test_told_twice_is_told_once(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    for service in TELLERS:
        first = await pipeline.retell(service)
        before = await tables(pipeline)
        second = await pipeline.retell(service)
        assert not differences(before, await tables(pipeline)), service
        assert len(first) == len(second)
        assert len({event.id for event in first}) == len(first), f"{service} tells something twice in one go"


# Facts, whose ids are for ever; the others are states, with a new version in theirs.
FACTS = ("visits.recorded", "decision.made", "coupon", "redemption")


def by_id(event: Event) -> dict[str, Any]:
    """What an event tells; visits are told together with whichever others were told then."""
    if isinstance(event, VisitsRecorded):
        return {visit.visit_id: visit for visit in event.data.visits}
    return {event.id: event}


async def test_a_retold_fact_is_the_very_event_of_the_first_time(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    first: dict[str, tuple[str, Any]] = {}
    take = doing.told

    async def told(database: Database) -> list[Event]:
        found = await take(database)
        for event in found:
            for key, fact in by_id(event).items():
                first.setdefault(key, (short_type(event), fact))
        return found

    monkeypatch.setattr(doing, "told", told)
    pipeline = await lived(fresh_database)
    known = dict(first)
    retold = [event for service in TELLERS for event in await pipeline.retell(service)]
    kinds = {short_type(event) for event in retold}
    assert kinds == {short_type(event) for event in EVENTS} - NEVER_RETOLD
    again = {key: (short_type(event), fact) for event in retold for key, fact in by_id(event).items()}
    for key, (kind, fact) in again.items():
        if kind.startswith(FACTS):
            assert known[key] == (kind, fact)
        else:
            assert key not in known
    facts_of = [{key for key, (kind, _) in told.items() if kind.startswith(FACTS)} for told in (known, first)]
    assert facts_of[0] == facts_of[1], "a fact was retold under another id"
    assert facts_of[0] <= set(again), "a fact was not retold"


# An order is retold as it is now, by `order.paid`, and a membership while it lasts.
OTHERS = (OrderRefunded, OrderCancelled, SegmentLeft)
NEVER_RETOLD = {short_type(event) for event in (*storefront.EVENTS, ClockTicked, *OTHERS)}


async def test_whom_a_paused_campaign_let_pass_is_not_recalled_by_a_retelling(
    fresh_database: FreshDatabase,
) -> None:
    """Rule 6. Targeting is behind, so that what is retold at a tick is heard before that tick is decided."""
    pipeline = await Pipeline.make(fresh_database)
    await pipeline.pass_to(START)
    segment = await post(pipeline, "segmentation", "/v1/segments", {"name": "buyers", "rule": BUYERS})
    campaigns = [
        await start_campaign(pipeline, {"kind": "stage", "stage": "silent"}),
        await start_campaign(pipeline, {"kind": "segment", "segment_id": segment["segment_id"]}, "welcome"),
    ]
    for campaign in campaigns:
        await post(pipeline, "targeting", f"/v1/campaigns/{campaign}/pause", {})
    pipeline.tell([order(1, "anna", START + DAY)])
    await pipeline.pass_to(START + 2 * DAY)
    pipeline.tell([order(2, "bert", START + 30 * DAY)])
    late = START + 31 * DAY + timedelta(hours=1)
    await pipeline.pass_to(late)
    for campaign in campaigns:
        await post(pipeline, "targeting", f"/v1/campaigns/{campaign}/start", {})
    await pipeline.pass_to(late + MOMENT, without=["targeting"])
    retold: list[Any] = await pipeline.retell("segmentation")
    assert {getattr(event.data, "to_stage", "member") for event in retold} == {"silent", "new", "member"}
    assert all(event.data.decided_at == late + MOMENT for event in retold)
    await pipeline.pass_to(late + 2 * MOMENT)
    assert await pipeline.ask("targeting", "SELECT * FROM decisions") == []


async def test_a_code_that_was_refused_is_not_taken_because_its_order_is_told_again(
    fresh_database: FreshDatabase,
) -> None:
    """Its one use was taken, and is free again: that is for the storefront to ask for."""
    pipeline = await Pipeline.make(fresh_database)
    await pipeline.pass_to(START)
    segment = await post(pipeline, "segmentation", "/v1/segments", {"name": "buyers", "rule": BUYERS})
    await start_campaign(pipeline, {"kind": "segment", "segment_id": segment["segment_id"]})
    await pipeline.pass_to(START + MOMENT)
    for number in range(6):
        pipeline.tell([order(number, f"c{number}", START + timedelta(hours=1))])
    await pipeline.pass_to(START + DAY)
    await pipeline.pass_to(START + DAY + MOMENT)
    [coupon] = await pipeline.ask("coupons", "SELECT code, customer_id FROM coupons ORDER BY coupon_id LIMIT 1")
    use = {"code": coupon["code"], "shop_id": "north", "order_id": "till", "amount": 2_000, "currency": "USD"}
    made = await post(pipeline, "coupons", "/v1/redemptions", use)
    found = await pipeline.ask("profile", f"SELECT * FROM customers WHERE customer_id = '{coupon['customer_id']}'")
    pipeline.tell([order(9, found[0]["source_id"], START + DAY + timedelta(hours=1), coupons=[coupon["code"]])])
    await pipeline.pass_to(START + 2 * DAY)
    assert await pipeline.ask("coupons", "SELECT 1 FROM known_orders WHERE refusals <> '{}'")
    await post(pipeline, "coupons", f"/v1/redemptions/{made['redemption_id']}/rollback", {})
    await pipeline.retell("profile")
    await pipeline.pass_to(START + 2 * DAY + MOMENT)
    assert len(await pipeline.ask("coupons", "SELECT 1 FROM redemptions")) == 1


async def keep(pipeline: Pipeline, service: str) -> None:
    """A backup of the service's database, inside it."""
    await on_tables(pipeline, service, "CREATE SCHEMA backup", "CREATE TABLE backup.{0} AS TABLE public.{0}", "")


async def put_back(pipeline: Pipeline, service: str) -> None:
    restore = "TRUNCATE public.{0}; INSERT INTO public.{0} OVERRIDING SYSTEM VALUE SELECT * FROM backup.{0}"
    await on_tables(pipeline, service, "", restore, "DROP SCHEMA backup CASCADE")


async def on_tables(pipeline: Pipeline, service: str, first: str, each: str, last: str) -> None:
    connection = await connect(pipeline.url_of(service))
    names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    statements = [first, *(each.format(row["tablename"]) for row in await connection.fetch(names)), last]
    async with connection.transaction():
        for statement in filter(None, statements):
            await connection.execute(statement)
    await connection.close()


async def decide_nothing_new(pipeline: Pipeline) -> list[Any]:
    return [await pipeline.ask(*each) for each in (("targeting", DECISIONS), ("coupons", COUPONS))]


DECISIONS = "SELECT decision_id, arm FROM decisions ORDER BY 1"
COUPONS = "SELECT coupon_id, code FROM coupons ORDER BY 1"


async def test_others_agree_again_with_a_profile_that_was_put_back(fresh_database: FreshDatabase) -> None:
    """What came after the backup is read again, as far as the log still has it."""
    pipeline = await lived(fresh_database)
    await keep(pipeline, "profile")
    lost, kept = (
        order(
            1,
            "c1",
            END,
        ),
        order(2, "c2", END),
    )
    lost = structs.replace(lost, data=structs.replace(lost.data, total=9_999))
    pipeline.tell([lost, kept])
    await pipeline.pass_to(END + DAY)
    await pipeline.pass_to(END + DAY + MOMENT)
    assert await disagreements(pipeline) == []
    before = await decide_nothing_new(pipeline)
    await put_back(pipeline, "profile")
    pipeline.tell([kept])
    await pipeline.pass_to(END + DAY)
    await pipeline.pass_to(END + DAY + 2 * MOMENT)
    assert await disagreements(pipeline) != [], "without a retelling they agree as well, so nothing is proven"
    await pipeline.retell("profile")
    await pipeline.pass_to(END + DAY + 3 * MOMENT)
    await pipeline.pass_to(END + DAY + 4 * MOMENT)
    assert await disagreements(pipeline) == []
    assert await decide_nothing_new(pipeline) == before


async def test_others_agree_again_with_a_segmentation_that_was_put_back(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    await keep(pipeline, "segmentation")
    [gone] = await pipeline.ask("segmentation", GONE)
    pipeline.tell([order(7, gone["source_id"], END + timedelta(hours=1))])
    await pipeline.pass_to(END + DAY)
    await put_back(pipeline, "segmentation")
    await pipeline.pass_to(END + DAY + MOMENT)
    before = await decide_nothing_new(pipeline)
    assert {each for each in await disagreements(pipeline) if "stage=" in each}
    await pipeline.retell("segmentation")
    assert {each for each in await disagreements(pipeline) if "stage=" in each} == set()
    # What it has lost for good it hears from profile.
    await pipeline.retell("profile")
    await pipeline.pass_to(END + DAY + 2 * MOMENT)
    assert await disagreements(pipeline) == []
    assert await decide_nothing_new(pipeline) == before


# Whoever comes back is in another stage.
GONE = """SELECT source_id FROM customers JOIN lifecycle_states USING (customer_id)
          WHERE stage IN ('silent', 'churned') LIMIT 1"""


async def test_others_agree_again_with_a_targeting_that_was_put_back(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    await keep(pipeline, "targeting")
    [campaign] = await pipeline.ask("targeting", "SELECT campaign_id FROM campaigns ORDER BY number LIMIT 1")
    await post(pipeline, "targeting", f"/v1/campaigns/{campaign['campaign_id']}/pause", {})
    await pipeline.pass_to(END + 2 * MOMENT)
    await put_back(pipeline, "targeting")
    await pipeline.pass_to(END + 3 * MOMENT)
    assert await disagreements(pipeline) != []
    await pipeline.retell("targeting")
    assert await disagreements(pipeline) == []


async def test_a_retelling_that_was_killed_is_run_again(fresh_database: FreshDatabase) -> None:
    pipeline = await lived(fresh_database)
    before = await tables(pipeline)
    killed = 0

    def show(_table: str, _count: int) -> None:
        nonlocal killed
        killed += 1
        if killed % 3 == 2:
            raise KeyboardInterrupt

    for service in TELLERS:
        with pytest.raises(KeyboardInterrupt):
            await tell_anew(pipeline.url_of(service), service, doing.SECRET, show)
        assert await pipeline.ask(service, "SELECT 1 FROM outbox"), "it was killed before it had told anything"
        await pipeline.retell(service)
    assert not differences(before, await tables(pipeline))


async def test_it_is_no_faster_than_the_relay_and_waits_for_none_that_is_not_there(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retelling, "_CHUNK", 1)
    pipeline = await Pipeline.make(fresh_database)
    pipeline.tell([order(number, f"c{number}", START) for number in range(60)])
    await pipeline.pass_to(START)
    relay = await connect(pipeline.url_of("profile"))
    await lock_session(relay, RELAY_LOCK)
    running = asyncio.create_task(tell_anew(pipeline.url_of("profile"), "profile", doing.SECRET))
    counts = set[int]()
    for _ in range(10):
        await asyncio.sleep(0.1)
        counts.add(await relay.fetchval("SELECT count(*) FROM outbox"))
    assert max(counts) == 20
    assert not running.done()
    await relay.execute("DELETE FROM outbox WHERE outbox_id IN (SELECT outbox_id FROM outbox ORDER BY 1 LIMIT 15)")
    await asyncio.sleep(0.5)
    assert await relay.fetchval("SELECT count(*) FROM outbox") == 20
    await relay.close()
    assert await asyncio.wait_for(running, 10) == {"customers": 60, "visits": 0}
    assert len(await pipeline.ask("profile", "SELECT 1 FROM outbox")) == 45


async def test_batches_go_on_while_it_tells(fresh_database: FreshDatabase) -> None:
    """A state is told under the lock of its row, so the highest version is also the last."""
    pipeline = await lived(fresh_database)
    database = Database(pipeline.url_of("profile"))

    async def sell() -> None:
        for number in range(10, 50):
            sold = [order(number, f"c{number % 8}", END), order(number - 9, f"c{number % 5}", END)]
            await doing.apply(database, "profile", profile, sold)

    await asyncio.gather(tell_anew(database.url, "profile", doing.SECRET), sell(), sell())
    await database.close()
    assert await disagreements(pipeline) != []
    told = await doing.told(database)
    for hearer in ("segmentation", "targeting", "coupons", "metrics"):
        await pipeline.hear(hearer, told)
    assert await disagreements(pipeline) == []


def test_who_tells_nothing_and_who_is_not_there_is_said() -> None:
    runner = CliRunner(env={"COLUMNS": "300"})
    nobody, metrics = runner.invoke(app, ["retell", "nobody"]), runner.invoke(app, ["retell", "metrics"])
    assert (nobody.exit_code, metrics.exit_code) == (2, 2)
    assert "there are profile, segmentation, targeting, coupons, metrics" in nobody.output
    assert "metrics tells nothing" in metrics.output
