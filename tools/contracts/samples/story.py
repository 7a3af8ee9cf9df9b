"""Whom the samples tell of: Anna, a customer of a tea shop, in the spring of 2026; and the envelope they wear."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events.storefront import Person
from shared.ids import Ids

ids = Ids("the secret of the examples")


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+00:00").astimezone(UTC)


def version_of(at: datetime) -> int:
    """Microseconds since 1970, as states are versioned."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


SHOP = "tea-house-nanjing-road"
PERSON = Person(source_id="10482")
ANNA = ids.derive("cus", "web", "source_id", "10482")
BEA = ids.derive("cus", "web", "source_id", "10977")
CARL = ids.derive("cus", "web", "source_id", "12030")

# Anna buys, gets a part of the money back, and falls silent 30 days after her order.
JOINED = at("02-03T10:12:41")
FIRST, FIRST_PAID, FIRST_REFUNDED = "SO-260203-0417", at("02-03T10:23:02"), at("02-05T16:40:00")
SILENT = FIRST_PAID + timedelta(days=30)
TICK = SILENT + timedelta(milliseconds=250)
# She gets a coupon, comes back with it, and calls the order off the next day.
VISITED, PLACED, UPDATED, PAID = (
    at("03-09T13:58:20"),
    at("03-09T14:02:11"),
    at("03-09T14:03:40"),
    at("03-09T14:04:05"),
)
SECOND, CANCELLED = "SO-260309-0188", at("03-10T09:30:00")
PAID_TICK = PAID + timedelta(milliseconds=195)

STAGE_CHANGE = ids.derive("chg", ANNA, "default", "silent", str(version_of(SILENT)))
SEGMENT = ids.derive("seg", "request", "silent regulars")
CAMPAIGN = ids.derive("cmp", "request", "spring recall")
CAMPAIGN_CHANGED = at("03-01T08:00:00")
TEMPLATE = ids.derive("tpl", "request", "ten yuan off")
CAUSE = f"stage:silent@{SILENT:%Y-%m-%dT%H:%M:%SZ}"
DECISION, BEAS, CARLS = (ids.derive("dec", CAMPAIGN, each, CAUSE) for each in (ANNA, BEA, CARL))
COUPON = ids.derive("cpn", DECISION)
CODE = ids.code(DECISION)
VALID_UNTIL = TICK + timedelta(days=14)
REDEMPTION = ids.derive("rdm", SHOP, SECOND, CODE, "", "1")


def of(service: str, event_id: str, at: datetime, data: Any, subject: str = ANNA) -> dict[str, Any]:
    """The envelope of what a service tells."""
    return {"id": event_id, "source": service, "subject": subject, "time": at, "data": data}
