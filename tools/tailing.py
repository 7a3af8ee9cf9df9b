"""`comeback events tail`: every event that passes on the topics, one line each. Reads beside the services' groups."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from msgspec import UNSET

from deploy.local.errors import StackError
from shared import topics
from shared.events import ClockTicked, Event, short_type, type_of
from shared.events.binary import restated
from shared.events.codec import EVENTS, Undecodable, decode
from shared.events.profile import Visits
from shared.ids import Ids
from shared.inbox import Partition
from shared.kafka import Consumer, KafkaError, Record
from tools.asking import the_stack
from tools.output import err

TYPES = tuple(short_type(event) for event in EVENTS)
PATIENCE_SECONDS = 15

_ORDERED = ("order_id", "shop_id", "total", "coupons")
_ORDER = ("order_key", "order_id", "shop_id", "amount", "refunded_amount", "counted", "coupons")
_MEMBERSHIP = ("segment_id", "segment_version", "backfilled")
_REDEMPTION = ("code", "redemption_id", "campaign_id", "order_id", "shop_id", "platform", "merchant")
# What of each event says most in one line.
FIELDS: dict[str, tuple[str, ...]] = {
    "storefront-order.placed": _ORDERED,
    "storefront-order.completed": _ORDERED,
    "storefront-order.updated": _ORDERED,
    "storefront-order.refunded": ("order_id", "shop_id", "refund_id", "amount"),
    "storefront-order.cancelled": ("order_id", "shop_id"),
    "storefront-visit.recorded": ("shop_id", "name"),
    "storefront-customer.identified": ("shop_id", "member"),
    "profile.updated": ("source_id", "anonymous_id", "member", "orders", "visits"),
    "order.paid": _ORDER,
    "order.refunded": _ORDER,
    "order.cancelled": _ORDER,
    "visits.recorded": ("visits",),
    "lifecycle.stage_changed": ("stage", "caused_at", "current", "corrects_past"),
    "segment.entered": _MEMBERSHIP,
    "segment.left": _MEMBERSHIP,
    "campaign.updated": ("name", "status", "version"),
    "decision.made": ("decision_id", "campaign_id", "arm", "reasons", "cause"),
    "coupon.issued": ("code", "coupon_id", "decision_id", "campaign_id", "valid_until"),
    "coupon.withheld": ("decision_id", "campaign_id", "arm"),
    "coupon.refused": ("decision_id", "campaign_id", "arm", "code"),
    "coupon.redeemed": _REDEMPTION,
    "redemption.rolled_back": (*_REDEMPTION, "rolled_back_at"),
    "coupon.expired": ("code", "coupon_id", "campaign_id"),
    "clock.ticked": ("at", "partitions"),
}
_MONEY = ("total", "amount", "refunded_amount", "platform", "merchant")


def tail(
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help=f"May be repeated: {', '.join(topics.ALL)}. All if none.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type, as order.paid; may be repeated.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="Only this customer's: by customer_id, or by the storefront's own id.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest that the log has.")] = False,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="End after so many.")] = None,
    ticks: Annotated[bool, typer.Option("--ticks", help="Show the clock's ticks too.")] = False,
) -> None:
    """Print every event as it passes, one line each, until Ctrl-C: when it arrived, where, what, whose.

    Reads with a consumer of its own that commits nothing. Money is in minor units."""
    stack = the_stack()
    bootstrap = stack.environment()["COMEBACK_KAFKA_BOOTSTRAP"]
    types = frozenset(_known_type(each) for each in kind or ())
    person = Person(customer, Ids(stack.secret)) if customer is not None else None
    wanted = Wanted(types, ticks or "clock.ticked" in types, person)
    with suppress(KeyboardInterrupt):
        asyncio.run(_print(Tail(bootstrap, _known_topics(topic), from_start=from_start), wanted, count, bootstrap))


def _known_topics(names: list[str] | None) -> list[str]:
    for name in names or ():
        if name not in topics.ALL:
            raise typer.BadParameter(f"there is no topic {name}; there are {', '.join(topics.ALL)}")
    return sorted(set(names or topics.ALL))


def _known_type(name: str) -> str:
    by_full_name = {type_of(event): short_type(event) for event in EVENTS}
    if name not in TYPES and name not in by_full_name:
        raise typer.BadParameter(f"there is no type {name}; there are {', '.join(TYPES)}")
    return by_full_name.get(name, name)


async def _print(tail: "Tail", wanted: "Wanted", count: int | None, bootstrap: str) -> None:
    try:
        async with aclosing(tail.records()) as records:
            async for record in records:
                seen = Seen.of(record)
                if not wanted.has(seen):
                    continue
                typer.echo(seen.line())
                count = count and count - 1
                if count == 0:
                    return
    except (KafkaError, TimeoutError) as error:
        raise StackError(
            f"Kafka does not answer at {bootstrap}, or has no topics yet: `comeback stack up` starts it and makes them."
        ) from error


class Tail:
    """All records of some topics, each once, from now on or from the oldest."""

    def __init__(self, bootstrap: str, names: list[str], *, from_start: bool) -> None:
        self._bootstrap = bootstrap
        self._topics = names
        self._from_start = from_start
        self._next: dict[Partition, int] = {}
        self._consumer: Consumer | None = None

    async def assigned(self, partitions: list[Partition]) -> None:
        assert self._consumer is not None, "only a consumer is assigned anything"
        # A partition that was added while we read is new as a whole.
        from_first = self._from_start or bool(self._next)
        for partition, (first, last) in (await self._consumer.bounds(partitions)).items():
            known = self._next.setdefault(partition, first if from_first else last)
            self._consumer.seek(partition, max(known, first))

    async def revoked(self) -> None:
        """Nothing to give back: nobody else is in the group, and positions are kept here."""

    async def records(self) -> AsyncGenerator[Record]:
        # A group that nobody else has and that commits nothing: the broker forgets it when we leave.
        group = f"comeback-tail-{secrets.token_hex(6)}"
        self._consumer = Consumer(self._bootstrap, group, self._topics, self, session_seconds=10)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._consumer.start()
            err.print(f"Listening to {', '.join(self._topics)}; Ctrl-C ends it.", style="dim", soft_wrap=True)
            while True:
                for record in _by_arrival((await self._consumer.poll(1000)).values()):
                    # After a rebalance what was fetched before it may come again.
                    if record.offset >= self._next[record.topic, record.partition]:
                        self._next[record.topic, record.partition] = record.offset + 1
                        yield record
        finally:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._consumer.stop()


def _by_arrival(parts: Iterable[list[Record]]) -> list[Record]:
    found = [record for part in parts for record in part]
    return sorted(found, key=lambda record: (record.timestamp, record.topic, record.partition, record.offset))


@dataclass(frozen=True)
class Seen:
    """A record and what it says; without an event, why it cannot be read."""

    record: Record
    event: Event | None
    reason: str = ""

    @classmethod
    def of(cls, record: Record) -> "Seen":
        try:
            return cls(record, decode(record.value))
        except Undecodable as error:
            record, reason = restated(record) or (record, str(error))
            return cls(record, None, reason) if reason else cls.of(record)

    @property
    def customers(self) -> list[str]:
        """Under which names its customer goes; none for what concerns nobody."""
        if self.event is None:
            return [self.record.key.decode(errors="replace")] if self.record.key else []
        data: Any = getattr(self.event, "data", None)
        if (person := getattr(data, "person", None)) is not None:
            return [each for each in (person.source_id, person.anonymous_id) if each]
        if isinstance(data, Visits):
            return sorted({visit.customer_id for visit in data.visits})
        found = getattr(data, "customer_id", None)
        return [found] if found else []

    def line(self) -> str:
        record = self.record
        at = datetime.fromtimestamp(record.timestamp / 1000, UTC).isoformat(timespec="milliseconds")
        place = f"{at.replace('+00:00', 'Z')} {record.topic}/{record.partition}@{record.offset}"
        return _in_one_line(f"{place} {self._what()}")

    def _what(self) -> str:
        if self.event is None:
            return f"unreadable: {self.reason}"
        details = (_detail(name, getattr(self.event, "data", None)) for name in FIELDS[short_type(self.event)])
        return " ".join([short_type(self.event), self._subject(self.event), *filter(None, details)])

    def _subject(self, event: Event) -> str:
        if event.subject is not UNSET:
            return str(event.subject)
        customers = self.customers
        return customers[0] if len(customers) == 1 else f"({len(customers)} customers)" if customers else "-"


def _detail(name: str, data: Any) -> str:
    if name == "stage":
        return f"stage={data.from_stage or 'none'}→{data.to_stage or 'none'}"
    value = getattr(data, name)
    if value is None or value is UNSET or value in ("", []):
        return ""
    if isinstance(value, bool):
        return f"{name}={'yes' if value else 'no'}"
    if name == "visits" and isinstance(value, list):
        return f"{name}={len(value)}"
    if isinstance(value, list):
        return f"{name}={','.join(value)}"
    if isinstance(value, datetime):
        return f"{name}={value.isoformat().replace('+00:00', 'Z')}"
    currency = getattr(data, "currency", None) if name in _MONEY else None
    return f"{name}={value} {currency}" if currency else f"{name}={value}"


def _in_one_line(text: str) -> str:
    # Ids and names are what others have written: no line break of theirs, and nothing that a terminal obeys.
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class Person:
    """One customer, by any of their names; storefronts' events name them otherwise than ours do."""

    def __init__(self, given: str, ids: Ids) -> None:
        self._given = given
        self._ids = ids
        self._names = {given, *(ids.derive("cus", "web", kind, given) for kind in ("source_id", "anonymous_id"))}

    def is_in(self, seen: Seen) -> bool:
        person = getattr(getattr(seen.event, "data", None), "person", None)
        if person is None:
            return not self._names.isdisjoint(seen.customers)
        kind = "source_id" if person.source_id else "anonymous_id"
        customer_id = self._ids.derive("cus", person.platform, kind, person.source_id or person.anonymous_id or "")
        if self._given in seen.customers:
            self._names.add(customer_id)  # on another platform than the usual one
        return customer_id in self._names


@dataclass(frozen=True)
class Wanted:
    """Which of them are shown."""

    types: frozenset[str]
    ticks: bool
    customer: Person | None

    def has(self, seen: Seen) -> bool:
        if isinstance(seen.event, ClockTicked) and not self.ticks:
            return False
        if self.types and (seen.event is None or short_type(seen.event) not in self.types):
            return False
        return self.customer is None or self.customer.is_in(seen)
