"""What each service can tell of a customer: its tables read, its rows put into words."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from tools.tracing.entries import Entry, joined, money, written

Tell = Callable[[Any, str], Awaitable[list[Entry]]]
RECALLABLE = ("silent", "churned")


async def tell_orders(database: Any, customer_id: str) -> list[Entry]:
    entries: list[Entry] = []
    for row in await database.fetch("SELECT * FROM orders WHERE customer_id = $1", customer_id):
        order = f"order {row['order_id']} in {row['shop_id']}"
        ids = {"order_key": row["order_key"], "order_id": row["order_id"], "shop_id": row["shop_id"]}
        codes = f"names {', '.join(row['coupons'])}" if row["coupons"] else None
        if row["paid_at"] is not None:
            counts = None if row["counted"] else "does not count any more"
            what = f"{order} paid: {money(row['total'], row['currency'])}"
            entries.append(Entry(row["paid_at"], "profile", what, joined(codes, counts), ids))
        elif row["told_at"] is not None:
            what = f"{order} placed: {money(row['total'], row['currency'])}"
            entries.append(Entry(row["told_at"], "profile", what, joined("not paid", codes), ids))
        if row["cancelled_at"] is not None:
            entries.append(Entry(row["cancelled_at"], "profile", f"{order} cancelled", "", ids))
    return entries


async def tell_refunds(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch(
        """SELECT r.*, o.order_id, o.shop_id, o.currency FROM refunds AS r JOIN orders AS o USING (order_key)
           WHERE o.customer_id = $1""",
        customer_id,
    )
    return [
        Entry(
            row["refunded_at"],
            "profile",
            f"order {row['order_id']} in {row['shop_id']} refunded: "
            + ("all that was left" if row["amount"] is None else money(row["amount"], row["currency"])),
            f"refund {row['refund_id']}",
            {"order_key": row["order_key"], "refund_id": row["refund_id"]},
        )
        for row in rows
    ]


async def tell_visits(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch("SELECT * FROM visits WHERE customer_id = $1", customer_id)
    return [
        Entry(row["visited_at"], "profile", f"visit to {row['shop_id']}", "", {"visit_id": row["visit_id"]})
        for row in rows
    ]


async def tell_membership_of_shop(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch(
        "SELECT member, member_at FROM customers WHERE customer_id = $1 AND member_at IS NOT NULL", customer_id
    )
    return [
        Entry(row["member_at"], "profile", "member" if row["member"] else "no member", "the storefront said so", {})
        for row in rows
    ]


async def tell_stages(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch("SELECT * FROM lifecycle_history WHERE customer_id = $1", customer_id)
    return [
        Entry(
            row["since"],
            "segmentation",
            f"stage {row['from_stage'] or 'none'} → {row['stage']}",
            joined(
                "won back" if row["reacquired"] else None,
                f"until {written(row['until'])}" if row["until"] else "until now",
                f"model version {row['model_version']}",
            ),
            {},
        )
        for row in rows
    ]


async def tell_memberships(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch(
        """SELECT m.*, s.name FROM memberships AS m JOIN segments AS s USING (segment_id) WHERE m.customer_id = $1""",
        customer_id,
    )
    return [
        Entry(
            row["since"],
            "segmentation",
            f"in segment {row['name']}",
            f"{row['segment_id']}, version {row['segment_version']}",
            {"segment_id": row["segment_id"]},
        )
        for row in rows
    ]


async def tell_decisions(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch(
        """SELECT d.*, c.name FROM decisions AS d JOIN campaigns AS c USING (campaign_id) WHERE d.customer_id = $1""",
        customer_id,
    )
    return [
        Entry(
            row["decided_at"],
            "targeting",
            f"campaign {row['name']}: {row['arm']}",
            joined(
                ", ".join(row["reasons"]),
                f"cause {row['cause']} of {written(row['caused_at'])}",
                row["stage"] and f"stage {row['stage']}",
                row["decision_id"],
            ),
            {"decision_id": row["decision_id"], "campaign_id": row["campaign_id"]},
        )
        for row in rows
    ]


async def tell_outcomes(database: Any, customer_id: str) -> list[Entry]:
    """Of decisions that did not become a coupon; a coupon tells of itself. Suppressed ones ask for no answer."""
    rows = await database.fetch(
        """SELECT * FROM known_decisions WHERE customer_id = $1 AND outcome IS DISTINCT FROM 'issued'""", customer_id
    )
    return [
        Entry(
            row["answered_at"] or row["decided_at"],
            "coupons",
            {"withheld": "coupon withheld", "refused": "coupon refused"}.get(row["outcome"], "answer to be given"),
            joined(
                row["code"], "would have been given one" if row["outcome"] == "withheld" else None, row["decision_id"]
            ),
            {"decision_id": row["decision_id"], "campaign_id": row["campaign_id"]},
        )
        for row in rows
    ]


async def tell_coupons(database: Any, customer_id: str) -> list[Entry]:
    entries: list[Entry] = []
    for row in await database.fetch("SELECT * FROM coupons WHERE customer_id = $1", customer_id):
        ids = {key: row[key] for key in ("coupon_id", "code", "decision_id", "campaign_id")}
        valid = f"valid {written(row['valid_from'])} to {written(row['valid_until'])}"
        why = joined(row["kind"], f"by {row['channel']}", valid, row["decision_id"])
        entries.append(Entry(row["issued_at"], "coupons", f"coupon {row['code']} issued", why, ids))
        if row["expiry_told"]:
            used = "used before" if row["used"] else "never used"
            entries.append(Entry(row["valid_until"], "coupons", f"coupon {row['code']} expired", used, ids))
    return entries


async def tell_redemptions(database: Any, customer_id: str) -> list[Entry]:
    entries: list[Entry] = []
    for row in await database.fetch(
        """SELECT r.*, c.code, c.campaign_id FROM redemptions AS r JOIN coupons AS c USING (coupon_id)
           WHERE c.customer_id = $1""",
        customer_id,
    ):
        ids = {key: row[key] for key in ("redemption_id", "coupon_id", "code", "campaign_id", "order_id")}
        borne = f"platform bears {row['platform']}, merchant {money(row['merchant'], row['currency'])}"
        how = "the paid order names it" if row["by_order"] else "asked for over HTTP"
        what = f"coupon {row['code']} used on order {row['order_id']} in {row['shop_id']}"
        entries.append(Entry(row["redeemed_at"], "coupons", what, joined(how, borne), ids))
        if row["rolled_back_at"] is not None:
            what = f"use of coupon {row['code']} on order {row['order_id']} taken back"
            entries.append(Entry(row["rolled_back_at"], "coupons", what, row["redemption_id"], ids))
    return entries


async def tell_refused_codes(database: Any, customer_id: str) -> list[Entry]:
    rows = await database.fetch(
        "SELECT * FROM known_orders WHERE customer_id = $1 AND paid_at IS NOT NULL AND refusals <> '{}'", customer_id
    )
    return [
        Entry(
            row["paid_at"],
            "coupons",
            f"coupon {code} not used on order {row['order_id']} in {row['shop_id']}",
            reason,
            {"order_key": row["order_key"], "code": code},
        )
        for row in rows
        for code, reason in json.loads(row["refusals"]).items()
    ]


_COUNTED = """
SELECT d.*, c.name, o.order_id, o.paid_at, (SELECT at FROM clock WHERE one = 1) AS clock
FROM decisions AS d LEFT JOIN campaigns AS c USING (campaign_id)
LEFT JOIN LATERAL (
    SELECT order_id, paid_at FROM orders WHERE orders.customer_id = d.customer_id AND counted
    AND paid_at >= d.decided_at AND paid_at < d.window_ends_at ORDER BY paid_at, order_id LIMIT 1
) AS o ON true
WHERE d.customer_id = $1 AND d.arm IS NOT NULL
"""


async def tell_counted(database: Any, customer_id: str) -> list[Entry]:
    """What a decision counts for, at the instant that settled it: the first order in its window, or its end."""
    return [
        Entry(
            row["paid_at"] or row["window_ends_at"],
            "metrics",
            f"campaign {row['name'] or row['campaign_id']}: {_result(row)}",
            joined(
                f"counts as {row['arm']}",
                row["order_id"] and f"order {row['order_id']}",
                row["stage"] and f"was {row['stage']}",
                f"window {written(row['decided_at'])} to {written(row['window_ends_at'])}",
            ),
            {"decision_id": row["decision_id"], "campaign_id": row["campaign_id"]},
        )
        for row in await database.fetch(_COUNTED, customer_id)
    ]


def _result(row: Any) -> str:
    """MT8: only who was silent or churned at the decision can be recalled; others order, or do not."""
    recallable = row["stage"] in RECALLABLE
    if row["paid_at"] is not None:
        return "recalled" if recallable else "ordered within the window"
    if row["window_ends_at"] > row["clock"]:
        return "window still open, no order yet"
    return "not recalled" if recallable else "no order within the window"


TELLERS: tuple[tuple[str, Tell], ...] = (
    ("profile", tell_membership_of_shop),
    ("profile", tell_visits),
    ("profile", tell_orders),
    ("profile", tell_refunds),
    ("segmentation", tell_stages),
    ("segmentation", tell_memberships),
    ("targeting", tell_decisions),
    ("coupons", tell_outcomes),
    ("coupons", tell_coupons),
    ("coupons", tell_redemptions),
    ("coupons", tell_refused_codes),
    ("metrics", tell_counted),
)
