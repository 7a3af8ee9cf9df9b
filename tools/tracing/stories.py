"""One customer's story: what each service has written down of them, as entries in order of time."""

from dataclasses import dataclass
from typing import Any

from deploy.local.names import SERVICES
from tools.tracing.entries import Entry, joined, money, several, written
from tools.tracing.tellers import TELLERS


@dataclass(frozen=True)
class Story:
    """`known_as` and `counted` are sentences: who that is, and what metrics counts of them by now."""

    customer_id: str
    known_as: str
    entries: list[Entry]
    counted: str

    @classmethod
    async def of(cls, databases: dict[str, Any], customer_id: str, campaign_id: str | None) -> "Story":
        """All that happened; with a campaign, nothing of what other campaigns did."""
        entries = [entry for service, tell in TELLERS for entry in await tell(databases[service], customer_id)]
        theirs = [each for each in entries if campaign_id is None or each.ids.get("campaign_id") in (None, campaign_id)]
        # At one instant in the order in which the services hear of it.
        theirs.sort(key=lambda entry: (entry.at, SERVICES.index(entry.service)))
        known_as = await _known_as(databases["profile"], customer_id)
        return cls(customer_id, known_as, theirs, await _counted(databases["metrics"], customer_id, campaign_id))


async def _known_as(database: Any, customer_id: str) -> str:
    row = await database.fetchrow("SELECT * FROM customers WHERE customer_id = $1", customer_id)
    if row is None:
        return "not known to profile"
    member = {True: "member", False: "no member", None: None}[row["member"]]
    since = f" since {written(row['member_at'])}" if row["member_at"] else ""
    return joined(
        row["source_id"] and f"source_id {row['source_id']}",
        row["anonymous_id"] and f"anonymous_id {row['anonymous_id']}",
        f"platform {row['platform']}",
        member and member + since,
    )


async def _counted(database: Any, customer_id: str, campaign_id: str | None) -> str:
    orders = await database.fetch(
        """SELECT currency, count(*) AS n, sum(amount - refunded_amount)::bigint AS net
           FROM orders WHERE customer_id = $1 AND counted GROUP BY currency ORDER BY currency""",
        customer_id,
    )
    coupons = await database.fetchval(
        "SELECT count(*) FROM coupons WHERE customer_id = $1 AND ($2::text IS NULL OR campaign_id = $2)",
        customer_id,
        campaign_id,
    )
    uses = await database.fetchval(
        """SELECT count(*) FROM redemptions
           WHERE customer_id = $1 AND NOT rolled_back AND ($2::text IS NULL OR campaign_id = $2)""",
        customer_id,
        campaign_id,
    )
    sales = ", ".join(f"{several(row['n'], 'order')} of {money(row['net'], row['currency'])}" for row in orders)
    return f"metrics counts {sales or 'no orders'}, {several(coupons, 'coupon')}, {several(uses, 'redemption')}"
