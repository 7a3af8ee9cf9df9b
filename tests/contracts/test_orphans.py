"""Nothing that is declared leads nowhere; who sends is what the code says. Each kind of orphan is planted."""

import ast
from types import ModuleType

import pytest

from deploy.local.names import SERVICES
from shared import topics
from shared.consuming import Consumers
from shared.events import ClockTicked, Event, producer_of
from shared.events.codec import EVENTS
from shared.events.coupons import CouponExpired, CouponIssued
from shared.events.envelope import Data
from shared.events.profile import OrderPaid
from tools.contracts import making, orphans, traffic

PROFILE = "shared.events.profile"


class Note(Data, frozen=True, kw_only=True):
    __module__ = PROFILE
    text: str


class NoteTaken(Event, frozen=True, kw_only=True, tag="com.comeback.note.taken.v1"):
    """Somebody took a note."""

    __module__ = PROFILE
    data: Note


class OrderPaidAnew(Event, frozen=True, kw_only=True, tag="com.comeback.order.paid.v2"):
    """An order was paid, told in another form."""

    __module__ = PROFILE
    data: Note


def test_nothing_that_is_declared_leads_nowhere() -> None:
    assert orphans.orphans() == []


def test_an_event_that_nobody_sends_or_hears_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "EVENTS", (*EVENTS, NoteTaken))
    assert orphans.orphans() == [
        "com.comeback.note.taken.v1 is declared, and nobody sends it",
        "com.comeback.note.taken.v1 is declared, and nobody hears it",
    ]


def test_an_old_version_need_not_be_sent_any_more_but_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = traffic.sent

    def sent_anew(sender: str, topic: str) -> list[type[Event]]:
        return [OrderPaidAnew if event is OrderPaid else event for event in sent(sender, topic)]

    monkeypatch.setattr(traffic, "EVENTS", (*EVENTS, OrderPaidAnew))
    monkeypatch.setattr(traffic, "sent", sent_anew)
    assert orphans.orphans() == ["com.comeback.order.paid.v2 is declared, and nobody hears it"]
    monkeypatch.setattr(traffic, "EVENTS", EVENTS)
    assert orphans.orphans() == ["com.comeback.order.paid.v1 is declared, and nobody sends it"]


def test_an_event_whose_only_handler_went_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "_FOR_STOREFRONTS", ())
    assert orphans.orphans() == ["com.comeback.coupon.expired.v1 is declared, and nobody hears it"]


def test_a_class_in_no_event_is_named() -> None:
    planted = ModuleType(PROFILE)
    vars(planted).update(OrderPaid=OrderPaid, Note=Note, NoteTaken=NoteTaken, Data=Data)
    assert list(orphans.unused_classes([planted])) == [
        f"{PROFILE}.Note is declared, and no event is or holds one",
        f"{PROFILE}.NoteTaken is declared, and no event is or holds one",
    ]


def test_a_topic_that_nobody_writes_or_reads_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "ALL", (*topics.ALL, "notes-events"))
    monkeypatch.setattr(traffic, "SERVICES", SERVICES)
    found = orphans.orphans()
    assert "notes-events is declared, and nobody writes to it" in found
    assert "notes-events is declared, and nobody reads it" in found


def test_a_handler_for_what_never_comes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = Consumers(clocked=[topics.TARGETING])
    planted.on(OrderPaid)(None)  # pyright: ignore[reportArgumentType]
    consumers_of = traffic.consumers_of
    monkeypatch.setattr(traffic, "consumers_of", lambda name: planted if name == "coupons" else consumers_of(name))
    wanted = "coupons has a handler for com.comeback.order.paid.v1, and reads no topic that it travels on"
    assert wanted in orphans.orphans()


@pytest.mark.parametrize("topic", topics.ALL)
def test_every_event_of_a_topic_is_sent_by_the_service_that_declares_it(topic: str) -> None:
    for event in traffic.carried(topic):
        who = [sender for sender in traffic.senders(topic) if event in traffic.sent(sender, topic)]
        assert event is ClockTicked or producer_of(event) in who


def test_a_service_does_not_send_what_its_code_no_longer_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = making.made
    monkeypatch.setattr(traffic, "made", lambda package, events: made(package, events) - {CouponIssued})
    assert CouponIssued not in traffic.sent("coupons", topics.COUPONS)
    assert CouponExpired in traffic.sent("coupons", topics.COUPONS)
    assert orphans.orphans() == ["com.comeback.coupon.issued.v1 is declared, and nobody sends it"]


@pytest.mark.parametrize(
    ("code", "is_made"),
    [
        ("outbox.emit(session, [(key, OrderPaid(data=data))])", True),
        ("event = events.OrderPaid if paid else None", True),
        ("tell_orders(session, orders, OrderPaid)", True),
        ("from shared.events.profile import OrderPaid", False),
        ("async def note(session: Session, events: Sequence[OrderPaid]) -> list[OrderPaid]: ...", False),
        ("def key_of(event: OrderPaid) -> OrderPaid: ...", False),
        ("found: OrderPaid | None = None", False),
        ("Fact = type[OrderPaid] | type[OrderRefunded]", False),
        ("if isinstance(event, OrderPaid): pass", False),
    ],
)
def test_only_where_an_event_is_used_as_a_value_it_is_made(code: str, is_made: bool) -> None:
    assert ("OrderPaid" in set(making.values(ast.parse(code)))) == is_made
