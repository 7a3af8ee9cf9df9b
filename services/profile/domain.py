"""Profile's rules: who somebody is, and what an order amounts to. Pure; domain rows DP2, DP6 and section 15."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

# The kinds of identifier; with the id space (`platform`) and the identifier itself they make a customer id.
SOURCE_ID = "source_id"
ANONYMOUS_ID = "anonymous_id"


class Label(StrEnum):
    """DP2: who has bought before is an old customer, everybody else a new one."""

    NEW = "new"
    OLD = "old"


class Identity(NamedTuple):
    """The identifier that an event is attributed to."""

    platform: str
    kind: str
    identifier: str


def identify(platform: str, source_id: str | None, anonymous_id: str | None) -> Identity | None:
    """The shop's own id if there is one, else the browser's, else nobody: such a visit makes no profile."""
    if source_id is not None:
        return Identity(platform, SOURCE_ID, source_id)
    if anonymous_id is not None:
        return Identity(platform, ANONYMOUS_ID, anonymous_id)
    return None


def label(orders: int) -> Label:
    return Label.OLD if orders > 0 else Label.NEW


class Told(NamedTuple):
    """What one event says of an order: of fields the latest `(at, event_id)` wins, of instants the earliest."""

    order_key: str
    shop_id: str
    order_id: str
    customer_id: str
    at: datetime
    event_id: str
    total: int | None = None
    currency: str | None = None
    coupons: tuple[str, ...] = ()
    channel: str | None = None
    paid: bool = False
    cancelled: bool = False


@dataclass(slots=True)
class Order:
    """All that the events of one order say together; the same whatever order they came in."""

    order_key: str
    shop_id: str
    order_id: str
    customer_id: str
    version: int = 0
    told_at: datetime | None = None
    told_by: str = ""
    total: int | None = None
    currency: str | None = None
    coupons: tuple[str, ...] = ()
    channel: str | None = None
    paid_at: datetime | None = None
    cancelled_at: datetime | None = None
    refunds: int = 0
    refund_total: int = 0
    refunds_all: bool = False

    @property
    def known(self) -> bool:
        """Whether it was paid, as far as we have heard, and for how much."""
        return self.paid_at is not None and self.total is not None and self.currency is not None

    @property
    def refunded(self) -> int:
        """What was given back: refunds add up, to at most what was paid; a cancel gives back all."""
        total = self.total or 0
        return total if self.refunds_all or self.cancelled_at else min(total, self.refund_total)

    @property
    def counted(self) -> bool:
        """Paid, not called off and not wholly given back. An order of total 0 that was paid counts."""
        if self.paid_at is None or self.total is None or self.currency is None or self.cancelled_at is not None:
            return False
        return self.refunds == 0 or self.refunded < self.total


def merge(order: Order, told: Told) -> None:
    """One more event goes into the order; repeats change nothing."""
    later = order.told_at is None or (told.at, told.event_id) > (order.told_at, order.told_by)
    if told.total is not None and later:
        order.customer_id = told.customer_id
        order.told_at, order.told_by = told.at, told.event_id
        order.total, order.currency = told.total, told.currency
        order.coupons, order.channel = told.coupons, told.channel
    if told.paid:
        order.paid_at = _earlier(order.paid_at, told.at)
    if told.cancelled:
        order.cancelled_at = _earlier(order.cancelled_at, told.at)


def _earlier(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else min(one, other)


@dataclass(slots=True)
class Change:
    """What a batch adds to one customer's facts."""

    identity: Identity | None = None
    member: bool | None = None
    member_at: datetime | None = None
    member_by: str = ""
    visits: int = 0
    first_visit_at: datetime | None = None
    last_visit_at: datetime | None = None
    # By currency: how many counted orders and how much net paid amount more (or less).
    spend: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    first_order_at: datetime | None = None
    last_order_at: datetime | None = None
    # An order went away or moved: the first and last instants must be looked up, they cannot be added to.
    recount: bool = False

    def add_visit(self, at: datetime) -> None:
        self.visits += 1
        if self.first_visit_at is None or at < self.first_visit_at:
            self.first_visit_at = at
        if self.last_visit_at is None or at > self.last_visit_at:
            self.last_visit_at = at

    def add_member(self, member: bool, at: datetime, event_id: str) -> None:
        if self.member_at is None or (at, event_id) > (self.member_at, self.member_by):
            self.member, self.member_at, self.member_by = member, at, event_id

    def add_order(self, order: Order, sign: int) -> None:
        """Counts an order in (+1), or out (-1) as it was before."""
        if not order.counted or order.currency is None or order.paid_at is None:
            return
        orders, paid = self.spend.get(order.currency, (0, 0))
        net = (order.total or 0) - order.refunded
        self.spend[order.currency] = (orders + sign, paid + sign * net)
        if sign > 0:
            self.first_order_at = _earlier(self.first_order_at, order.paid_at)
            self.last_order_at = order.paid_at if self.last_order_at is None else max(self.last_order_at, order.paid_at)

    @property
    def orders(self) -> int:
        return sum(orders for orders, _ in self.spend.values()) if self.spend else 0
