"""Whom an id means: a customer's own, or of anything that is theirs."""

from dataclasses import dataclass
from typing import Any

from shared.ids import Ids

# One after the other: what is found first is meant. An order id of a shop may look like another shop's customer.
_LOOK_UPS = (
    ("profile", "SELECT customer_id FROM customers WHERE customer_id = $1"),
    ("profile", "SELECT customer_id FROM customers WHERE source_id = $1 OR anonymous_id = $1"),
    ("profile", "SELECT customer_id FROM orders WHERE order_key = $1 OR order_id = $1"),
    ("targeting", "SELECT customer_id FROM decisions WHERE decision_id = $1 OR customer_id = $1"),
    ("coupons", "SELECT customer_id FROM coupons WHERE coupon_id = $1 OR code = $1 OR customer_id = $1"),
    (
        "coupons",
        """SELECT customer_id FROM redemptions JOIN coupons USING (coupon_id)
           WHERE redemption_id = $1 OR order_id = $1""",
    ),
)
_SHOWN = 10


class Unknown(Exception):
    """Nobody, or not one person; the message says which."""


@dataclass(frozen=True)
class Found:
    customer_id: str
    campaign_id: str | None = None


async def find(databases: dict[str, Any], ids: Ids, whose: str, customer: str | None) -> Found:
    """Raises Unknown, in words for the person who asked."""
    campaign = await databases["targeting"].fetchrow("SELECT name FROM campaigns WHERE campaign_id = $1", whose)
    if customer is not None:
        if campaign is None:
            raise Unknown(f"There is no campaign {whose}; a second id goes with a campaign only.")
        return Found(await _find_person(databases, ids, customer), whose)
    if campaign is not None:
        raise Unknown(f"{whose} is the campaign {campaign['name']!r}: name a customer behind it.")
    return Found(await _find_person(databases, ids, whose))


async def _find_person(databases: dict[str, Any], ids: Ids, given: str) -> str:
    # Somebody whom only a campaign's list names is known by the id that profile would give them.
    derived = [ids.derive("cus", "web", kind, given) for kind in ("source_id", "anonymous_id")]
    for each in (given, *derived):
        for service, sql in _LOOK_UPS:
            rows = await databases[service].fetch(f"SELECT DISTINCT customer_id FROM ({sql}) AS found", each)
            if rows:
                return _one_of(given, sorted(row["customer_id"] for row in rows))
    raise Unknown(f"Nothing is known of {given}: it is no customer, order, decision, coupon or redemption here.")


def _one_of(given: str, found: list[str]) -> str:
    if len(found) > 1:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise Unknown(f"{given} may mean {len(found)} customers, name one: {', '.join(found[:_SHOWN])}{more}.")
    return found[0]
