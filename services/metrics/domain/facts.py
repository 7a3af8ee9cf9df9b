"""Facts as metrics keeps them: one tuple each, the key first. Made of events by actions, stored by the repository."""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar


class Order(NamedTuple):
    shop_id: str
    order_id: str
    version: int
    customer_id: str
    currency: str
    amount: int
    refunded_amount: int
    counted: bool
    paid_at: datetime | None


class Stage(NamedTuple):
    """The stage that holds at a tick; the latest (tick, cause, id) wins."""

    model: str
    customer_id: str
    decided_at: datetime
    caused_at: datetime
    change_id: str
    stage: str | None


class Campaign(NamedTuple):
    campaign_id: str
    version: int
    name: str | None
    goal: str
    business_line: str | None
    status: str | None
    channel: str
    template_id: str
    attribution_days: int
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class Decision(NamedTuple):
    campaign_id: str
    customer_id: str
    decision_id: str
    decided_arm: str
    reason: str
    stage: str | None
    decided_at: datetime
    attribution_days: int


class Outcome(NamedTuple):
    """What coupons made of a decision: issued, withheld or refused."""

    campaign_id: str
    customer_id: str
    decision_id: str
    outcome: str
    code: str | None


class Coupon(NamedTuple):
    coupon_id: str
    campaign_id: str
    customer_id: str
    channel: str
    issued_at: datetime
    valid_until: datetime


class Redemption(NamedTuple):
    redemption_id: str
    coupon_id: str
    campaign_id: str
    customer_id: str
    channel: str
    shop_id: str
    order_id: str
    currency: str
    platform: int
    merchant: int
    rolled_back: bool


# What a campaign's decisions say of it is older than anything the campaign says of itself, whose versions begin at 0.
_BEFORE_ALL_VERSIONS = -(2**63)


def heard_version(version: int) -> int:
    """The version of a campaign known from decisions alone: the latest of them wins, until the campaign speaks."""
    return _BEFORE_ALL_VERSIONS + version


Row = TypeVar("Row", bound=tuple[Any, ...])


def latest(rows: Iterable[Row], key: Callable[[Row], Hashable], rank: Callable[[Row], Any]) -> list[Row]:
    """One row for each key, the one that ranks highest, sorted: so that two batches never wait for each other."""
    best: dict[Any, Row] = {}
    for row in rows:
        name = key(row)
        if name not in best or rank(row) > rank(best[name]):
            best[name] = row
    return [best[name] for name in sorted(best)]
