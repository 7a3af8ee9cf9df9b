"""Two small services in a row, with the three kinds of message: facts, states, and decisions made at ticks.

Each counts facts into totals (insert if absent), keeps a state per customer, marks whom a batch touched, and at a tick
decides about the marked: if what is known of a customer is not what was decided last, that is a decision. The first
decides about a few of them in each transaction, the second divides them into pieces that all its workers decide.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from shared import outbox, topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events import Event
from shared.events.profile import OrderPaid, OrderState, Profile, ProfileUpdated, VisitFact, Visits, VisitsRecorded
from shared.events.storefront import StorefrontOrderCompleted
from shared.timekeeper import Decide, Now
from tests.faults.simulation.database import Row, Transaction
from tests.faults.simulation.loop import VirtualTime

FIRST, SECOND = "profile", "segmentation"
REFUSED = 13
_CHUNK = 2
_ALL = 1_000


async def add_facts(session: Session, rows: dict[str, Row]) -> list[str]:
    """Inserts those that are absent, adds them up and marks their customers; the ids of the new ones."""
    driver: Transaction = session.driver
    added = await driver.insert_absent("facts", rows)
    await add_up(driver, [rows[key] for key in added])
    return added


async def add_up(driver: Transaction, rows: list[Row]) -> None:
    amounts: dict[str, int] = {}
    for row in rows:
        amounts[row["customer"]] = amounts.get(row["customer"], 0) + row["amount"]

    def more(customer: str, old: Row | None) -> Row:
        return {"total": (old["total"] if old else 0) + amounts[customer]}

    if amounts:
        await driver.change("totals", list(amounts), more)
        await mark(driver, list(amounts))


async def mark(driver: Transaction, customers: list[str]) -> None:
    # A row of another transaction that deletes this mark is waited for, and then it is there again.
    await driver.change("marks", customers, lambda _key, _old: {})


async def on_storefront_order_completed(session: Session, events: Iterable[StorefrontOrderCompleted]) -> None:
    rows: dict[str, Row] = {}
    for event in events:
        if event.data.total == REFUSED:
            raise ValueError("an unlucky order")
        customer = str(event.data.person.source_id)
        known = {"customer": customer, "amount": event.data.total, "due": datetime.fromisoformat(event.data.shop_id)}
        rows[event.id] = {**known, "time": event.time, "value": event.data.order_id}
    added = await add_facts(session, rows)
    outbox.emit(session, [_tell_fact(key, rows[key]) for key in added])
    await _keep_newest(session, {key: rows[key] for key in added})


def _tell_fact(key: str, row: Row) -> tuple[str, Event]:
    state = {"order_key": key, "version": 0, "customer_id": row["customer"], "order_id": key, "currency": "EUR"}
    data = OrderState(
        **state, shop_id=row["due"].isoformat(), amount=row["amount"], refunded_amount=0, counted=True, coupons=[]
    )
    return row["customer"], OrderPaid(id=f"paid-{key}", source=FIRST, time=row["time"], data=data)


async def _keep_newest(session: Session, rows: dict[str, Row]) -> None:
    """Of each customer the value last by (time, id), under a version that rises whatever is restored."""
    driver: Transaction = session.driver
    newest: dict[str, tuple[datetime, str, str]] = {}
    for key, row in rows.items():
        found = (row["time"], key, row["value"])
        newest[row["customer"]] = max(newest.get(row["customer"], found), found)

    def keep(customer: str, old: Row | None) -> Row:
        by = max(newest[customer], old["by"]) if old else newest[customer]
        version = max((old["version"] if old else 0) + 1, round(VirtualTime.time() * 1e6))
        return {"by": by, "value": by[2], "version": version}

    if newest:
        await driver.change("states", list(newest), keep)
        states = await driver.select("states")
        outbox.emit(session, [_tell_state(customer, states[customer]) for customer in sorted(newest)])


def _tell_state(customer: str, row: Row) -> tuple[str, Event]:
    data = Profile(customer_id=customer, version=row["version"], platform=row["value"])
    return customer, ProfileUpdated(id=f"{customer}-{row['version']}", source=FIRST, time=row["by"][0], data=data)


async def on_order_paid(session: Session, events: Iterable[OrderPaid]) -> None:
    rows: dict[str, Row] = {}
    for event in events:
        due = datetime.fromisoformat(event.data.shop_id)
        rows[event.id] = {"customer": event.data.customer_id, "amount": event.data.amount, "due": due}
    await add_facts(session, rows)


async def on_visits_recorded(session: Session, events: Iterable[VisitsRecorded]) -> None:
    """A decision of the service before; each counts 1,000."""
    rows: dict[str, Row] = {}
    for event in events:
        for visit in event.data.visits:
            rows[event.id] = {"customer": visit.customer_id, "amount": 1000, "due": visit.visited_at}
    await add_facts(session, rows)


def is_newer(version: int, old: Row | None) -> bool:
    return old is None or version > old["version"]


async def on_profile_updated(session: Session, events: Iterable[ProfileUpdated]) -> None:
    driver: Transaction = session.driver
    told: dict[str, Row] = {}
    for event in events:
        row = {"value": event.data.platform, "version": event.data.version}
        if is_newer(row["version"], told.get(event.data.customer_id)):
            told[event.data.customer_id] = row

    def keep(customer: str, old: Row | None) -> Row | None:
        return told[customer] if is_newer(told[customer]["version"], old) else old

    changed = await driver.change("states", list(told), keep)
    if changed:
        await mark(driver, changed)


async def decide_some(session: Session, now: Now) -> bool:
    """Decides about a few of the marked; whether that was all."""
    marked = await session.driver.delete("marks", _CHUNK)
    await _decide_about(session, now, marked)
    return len(marked) < _CHUNK


async def decide_or_divide(session: Session, now: Now) -> bool:
    """Decides about the marked if they are few; else they are divided into pieces, which wait for `decide_piece`."""
    driver: Transaction = session.driver
    pieces = await driver.select("pieces")
    if pieces and not await driver.select("marks"):
        return False
    marked = {*await driver.delete("marks", _ALL), *(customer for row in pieces.values() for customer in row["of"])}
    await driver.delete("pieces", _ALL)
    if len(marked) <= _CHUNK:
        await _decide_about(session, now, sorted(marked))
        return True
    some = list(batched_by(sorted(marked), _CHUNK))
    await driver.insert_absent("pieces", {(now.at.isoformat(), key): {"of": of} for key, of in enumerate(some)})
    return False


async def decide_piece(session: Session, now: Now) -> bool:
    """Decides about a piece that nobody else is at; False if there is none, or if marks have to be divided with it."""
    driver: Transaction = session.driver
    piece = None if await driver.select("marks") else await driver.take_free("pieces")
    await _decide_about(session, now, piece["of"] if piece else [])
    return piece is not None


def batched_by(rows: list[str], size: int) -> Iterator[list[str]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


async def _decide_about(session: Session, now: Now, marked: list[str]) -> None:
    if not marked:
        return
    driver: Transaction = session.driver
    totals, states = await driver.select("totals"), await driver.select("states")
    last = await driver.select("latest")
    new: dict[tuple[str, str], Row] = {}
    for customer in marked:
        total, state = totals.get(customer, {"total": 0})["total"], states.get(customer, {"value": None})["value"]
        known = {"figures": (total, state)}
        if last.get(customer) != known:
            new[customer, now.at.isoformat()] = known
    await driver.insert_absent("decisions", dict(new))
    latest = {customer: known for (customer, _), known in new.items()}
    await driver.change("latest", list(latest), lambda customer, _: latest[customer])
    if session.info["service"] == FIRST:
        outbox.emit(session, [_tell_decision(customer, now.at) for customer, _ in sorted(new)])


def _tell_decision(customer: str, at: datetime) -> tuple[str, Event]:
    data = Visits(visits=[VisitFact(visit_id=f"{customer}-{at}", customer_id=customer, shop_id="s", visited_at=at)])
    return customer, VisitsRecorded(id=f"decided-{customer}-{at.isoformat()}", source=FIRST, time=at, data=data)


def consumers_of(service: str, *, skips_ticks: bool = False) -> Consumers:
    if service == FIRST:
        consumers = Consumers(clocked=[topics.STOREFRONT_ORDERS], skips_ticks=skips_ticks)
        consumers.on(StorefrontOrderCompleted)(on_storefront_order_completed)
        return consumers
    consumers = Consumers(clocked=[topics.PROFILE], skips_ticks=skips_ticks)
    consumers.on(OrderPaid)(on_order_paid)
    consumers.on(VisitsRecorded)(on_visits_recorded)
    consumers.on(ProfileUpdated)(on_profile_updated)
    return consumers


TOPIC_OF: dict[str, str] = {FIRST: topics.STOREFRONT_ORDERS, SECOND: topics.PROFILE}

DECIDES: dict[str, tuple[Decide, Decide | None]] = {
    FIRST: (decide_some, None),
    SECOND: (decide_or_divide, decide_piece),
}
