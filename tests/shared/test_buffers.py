"""Aligned reading: of each partition up to its next tick, then no further before the clock is there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.metrics.consumers import consumers as metrics_consumers
from services.segmentation.consumers import consumers as segmentation_consumers
from services.targeting.consumers import consumers as targeting_consumers
from shared.batches import Batch, Nothing, by_kind
from shared.buffers import Buffers, PositionLost
from shared.clock import BEGINNING, wall
from shared.events import Tick, type_of
from shared.events.codec import encode
from shared.events.profile import OrderPaid, OrderState, Profile, ProfileUpdated, VisitFact, Visits, VisitsRecorded
from shared.inbox import Record
from shared.kafka import encode_tick

T1 = datetime(2026, 1, 1, tzinfo=UTC)
T2 = T1 + timedelta(days=1)


def visit(number: int) -> bytes:
    fact = VisitFact(visit_id=f"v{number}", customer_id="c", shop_id="s", visited_at=T1)
    data = Visits(visits=[fact])
    return encode(VisitsRecorded(id=f"v{number}", source="profile", time=T1, data=data))


def paid_in_binary_mode(offset: int, begins_as: bytes) -> Record:
    """An order whose type stands in a header, and another one where an event of ours would have it."""
    ids: dict[str, Any] = {"order_key": "o", "customer_id": "c", "shop_id": "s", "order_id": "1"}
    told = OrderState(**ids, version=1, currency="EUR", amount=1, refunded_amount=0, counted=True)
    attributes = {
        "id": "o",
        "source": "profile",
        "specversion": "1.0",
        "time": T1.isoformat(),
        "type": type_of(OrderPaid),
    }
    headers = (
        ("content-type", b"application/json"),
        *((f"ce_{name}", text.encode()) for name, text in attributes.items()),
    )
    body = b'{"type":"' + begins_as + b'",' + msgspec.json.encode(told)[1:]
    return Record("orders", 0, offset, value=body, headers=headers)


def tick(at: datetime) -> bytes:
    return encode_tick("orders", Tick(at=at, partitions=2))


def reading(*values: list[bytes | None], aligned: bool = True) -> Buffers:
    buffers = Buffers(["orders"], skips_ticks=not aligned)
    buffers.reset({("orders", number): (0, None) for number in range(len(values))})
    for number, bodies in enumerate(values):
        buffers.arrive(
            ("orders", number), [Record("orders", number, offset, value=body) for offset, body in enumerate(bodies)]
        )
    return buffers


def ids(batch: Batch) -> list[str]:
    return [item.event.id for item in batch.events if item.event is not None]


def test_each_partition_is_read_up_to_its_next_tick() -> None:
    buffers = reading([visit(1), tick(T1), visit(2), tick(T2)], [visit(3)])
    first = buffers.take(BEGINNING)
    assert ids(first) == ["v1", "v3"]
    assert first.has_tick
    buffers.applied(first)
    assert not buffers.take(BEGINNING).size, "what stands behind the tick waits for the clock"
    second = buffers.take(T1)
    assert ids(second) == ["v2"]
    assert second.steps["orders", 0].tick_at == T2


def test_a_service_that_decides_nothing_need_not_stop_at_ticks() -> None:
    buffers = reading([visit(1), tick(T1), visit(2), tick(T2), visit(3)], aligned=False)
    batch = buffers.take(BEGINNING)
    assert ids(batch) == ["v1", "v2", "v3"]
    assert batch.steps["orders", 0].tick_at == T2


def test_what_was_taken_stays_until_it_is_applied() -> None:
    buffers = reading([visit(1)])
    assert ids(buffers.take(BEGINNING)) == ids(buffers.take(BEGINNING)) == ["v1"]


def test_records_below_the_position_are_skipped() -> None:
    buffers = reading([visit(1), visit(2)])
    buffers.arrive(("orders", 0), [Record("orders", 0, 0, value=visit(1)), Record("orders", 0, 2, value=visit(3))])
    assert ids(buffers.take(BEGINNING)) == ["v1", "v2", "v3"]


@pytest.mark.parametrize(
    ("offsets", "said"),
    [
        ([5], "offset 1 is gone, the log goes on at 5"),
        ([0, 2], "offset 1 is gone, the log goes on at 2"),
        ([1, 2, 4, 5], "offset 3 is gone, the log goes on at 4"),
    ],
)
def test_a_gap_in_the_log_is_never_passed_over(offsets: list[int], said: str) -> None:
    buffers = reading([visit(1)])
    with pytest.raises(PositionLost, match=said):
        buffers.arrive(("orders", 0), [Record("orders", 0, offset, value=visit(offset)) for offset in offsets])


def test_a_tick_from_a_clock_that_runs_ahead_is_not_believed() -> None:
    buffers = reading([tick(wall() + timedelta(seconds=90)), tick(wall() + timedelta(seconds=30))])
    batch = buffers.take(BEGINNING)
    assert batch.steps["orders", 0].ticks == 1
    assert [item.reason for item in batch.unreadable] == ["a tick more than 60 s ahead of this machine's clock"]


def test_what_cannot_be_read_keeps_its_place_and_says_why() -> None:
    buffers = reading([b"\xff", visit(1), None])
    batch = buffers.take(BEGINNING)
    assert ids(batch) == ["v1"]
    assert [(item.record.offset, item.reason is not None) for item in batch.unreadable] == [(0, True), (2, True)]
    assert batch.steps["orders", 0].next_offset == 3


def test_a_partition_that_holds_enough_is_paused_once_and_resumed_once() -> None:
    buffers = reading([visit(number) for number in range(6_000)])
    assert buffers.full() == [("orders", 0)]
    assert buffers.full() == []
    assert buffers.drained() == []
    buffers.applied(buffers.take(BEGINNING))
    buffers.applied(buffers.take(BEGINNING))
    assert buffers.drained() == [("orders", 0)]
    assert buffers.drained() == []


def test_what_nobody_here_listens_to_is_passed_over_undecoded() -> None:
    """And counted as applied: its place in the log is taken."""
    buffers = Buffers(["orders"], skips_ticks=False, glance=segmentation_consumers.glance())
    buffers.reset({("orders", 0): (0, None)})
    buffers.arrive(
        ("orders", 0), [Record("orders", 0, 0, value=visit(1)), Record("orders", 0, 1, value=b'{"type":"broken')]
    )
    batch = buffers.take(BEGINNING)
    assert (ids(batch), len(batch.unreadable), batch.steps["orders", 0].next_offset) == ([], 1, 2)


@pytest.mark.parametrize(
    ("facts", "passed_over"),
    [
        ({}, False),
        ({"visits": 1, "first_visit_at": T1}, True),
        ({"orders": 1, "first_order_at": T1}, True),
        ({"last_visit_at": T1}, False),
        ({"source_id": '"first_visit_at":"2026'}, False),
        ({"platform": 'a\\"first_order_at":"'}, False),
    ],
)
def test_a_profile_of_somebody_who_came_or_bought_says_nothing_to_targeting(
    facts: dict[str, Any], passed_over: bool
) -> None:
    """And is told from one that does, whatever a storefront calls its customers."""
    data = Profile(**{"customer_id": "c", "version": 1, "platform": "web", **facts})
    told = encode(ProfileUpdated(id="c:1", source="profile", time=T1, data=data))
    assert (targeting_consumers.glance()(told) is Nothing) is passed_over
    assert segmentation_consumers.glance()(told) is ProfileUpdated


def test_what_its_first_bytes_do_not_tell_truly_is_unreadable_and_disturbs_nothing() -> None:
    """Whoever goes through the events meets those that can be read, each time; the others have a reason then."""
    cut, early = visit(1)[:-9], visit(3).replace(b'"2026-', b'"0001-')
    buffers = Buffers(["orders"], skips_ticks=False, glance=metrics_consumers.glance())
    buffers.reset({("orders", 0): (0, None)})
    found = [Record("orders", 0, n, value=body) for n, body in enumerate([cut, visit(4), early, visit(5)])]
    buffers.arrive(("orders", 0), [*found, paid_in_binary_mode(4, begins_as=b"com.comeback.visits.recorded.v1")])
    batch = buffers.take(BEGINNING)
    heard = by_kind(batch.events)[VisitsRecorded]
    assert [event.id for event in heard] == ["v4", "v5"] == [event.id for event in heard]
    reasons = {item.record.offset: item.reason for item in batch.events if item.reason is not None}
    assert set(reasons) == {0, 2, 4}
    assert reasons[4] == "its type is given twice"
    assert {item.record.offset for item in buffers.take(BEGINNING).unreadable} == set(reasons)


def test_a_batch_may_move_the_clock_when_it_takes_every_partition_past_it() -> None:
    buffers = reading([visit(1), tick(T1), tick(T2)], [visit(2)])
    half = buffers.take(BEGINNING)
    assert half.has_tick
    assert not buffers.clock_may_move(BEGINNING, half), "the other partition has not ticked"
    buffers.applied(half)
    buffers.arrive(("orders", 1), [Record("orders", 1, 1, value=tick(T1))])
    whole = buffers.take(BEGINNING)
    assert buffers.clock_may_move(BEGINNING, whole)
    assert not buffers.clock_may_move(T1, whole)


def test_a_batch_without_a_tick_moves_no_clock() -> None:
    buffers = reading([visit(1)])
    assert not buffers.clock_may_move(BEGINNING, buffers.take(BEGINNING))


def test_ticks_alone_are_worth_a_transaction_when_the_clock_can_move() -> None:
    buffers = reading([tick(T1)], [])
    assert not buffers.matters(BEGINNING), "the other partition's tick would cost a second one"
    buffers.arrive(("orders", 1), [Record("orders", 1, 0, value=visit(1))])
    assert buffers.matters(BEGINNING), "a fact is applied at once"
    buffers.applied(buffers.take(BEGINNING))
    assert not buffers.matters(BEGINNING)
    buffers.arrive(("orders", 1), [Record("orders", 1, 1, value=tick(T1))])
    assert buffers.matters(BEGINNING), "one partition's tick was taken with the fact, the other one is here"


def test_ticks_of_a_topic_that_does_not_carry_the_clock_are_worth_nothing() -> None:
    buffers = Buffers(["orders"], skips_ticks=False)
    buffers.reset({("orders", 0): (0, None), ("answers", 0): (0, None)})
    buffers.arrive(("answers", 0), [Record("answers", 0, 0, value=tick(T1))])
    assert not buffers.matters(BEGINNING)


def test_nothing_more_is_waited_for_when_every_partition_has_its_tick_or_has_had_it() -> None:
    buffers = reading([visit(1), tick(T1)], [visit(2)])
    assert not buffers.worth_applying(BEGINNING), "the second partition's tick is still to come"
    buffers.applied(buffers.take(BEGINNING))
    buffers.arrive(("orders", 1), [Record("orders", 1, 1, value=tick(T1))])
    assert buffers.worth_applying(BEGINNING), "the first partition waits for the clock, it will bring nothing"
