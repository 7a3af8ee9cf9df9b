"""Storing facts: one statement a table and batch, sorted by key so that two workers never deadlock."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any

from services.metrics.domain import facts
from shared.database import Session, as_columns, execute, unnest
from shared.inserting import Insert


def _as_good_as_any(row: tuple[Any, ...]) -> int:
    """Facts do not change: whichever telling of one is kept."""
    del row
    return 0


_ORDERS = f"""
INSERT INTO orders AS o (shop_id, order_id, version, customer_id, currency, amount, refunded_amount, counted, paid_at)
SELECT * FROM {unnest("text text bigint text text bigint bigint bool timestamptz")}"""
_INSERT_ORDERS = Insert(
    plain=_ORDERS,
    careful=f"""{_ORDERS}
ON CONFLICT (shop_id, order_id) DO UPDATE
SET version = excluded.version, customer_id = excluded.customer_id, currency = excluded.currency,
    amount = excluded.amount, refunded_amount = excluded.refunded_amount, counted = excluded.counted,
    paid_at = excluded.paid_at
WHERE excluded.version > o.version""",
)
_VISITS = f"INSERT INTO visits (customer_id, visited_at) SELECT * FROM {unnest('text timestamptz')}"
_INSERT_VISITS = Insert(plain=_VISITS, careful=f"{_VISITS} ON CONFLICT DO NOTHING")


async def upsert_orders(session: Session, orders: Sequence[facts.Order]) -> None:
    """The highest version of each order is kept."""
    rows = facts.latest(orders, key=itemgetter(0, 1), rank=attrgetter("version"))
    await _INSERT_ORDERS.run(session, len(rows), *as_columns(rows))


async def add_visits(session: Session, visits: Sequence[tuple[str, datetime]]) -> None:
    """`(customer_id, visited_at)` of each, sorted, none twice."""
    await _INSERT_VISITS.run(session, len(visits), *as_columns(visits))


async def upsert_stages(session: Session, stages: Sequence[facts.Stage]) -> None:
    """The stage of the latest (tick, cause, id) is kept for each customer."""
    rows = facts.latest(stages, key=itemgetter(0, 1), rank=itemgetter(2, 3, 4))
    await execute(
        session,
        f"""INSERT INTO stages AS s (model, customer_id, decided_at, caused_at, change_id, stage)
           SELECT * FROM {unnest("text text timestamptz timestamptz text text")}
           ON CONFLICT (model, customer_id) DO UPDATE
           SET decided_at = excluded.decided_at, caused_at = excluded.caused_at, change_id = excluded.change_id,
               stage = excluded.stage
           WHERE (excluded.decided_at, excluded.caused_at, excluded.change_id)
                 > (s.decided_at, s.caused_at, s.change_id)""",
        *as_columns(rows),
    )


async def upsert_campaigns(session: Session, campaigns: Sequence[facts.Campaign]) -> None:
    """The highest version of each campaign is kept."""
    rows = facts.latest(campaigns, key=itemgetter(0), rank=attrgetter("version"))
    await execute(
        session,
        f"""INSERT INTO campaigns AS c (campaign_id, version, name, goal, business_line, status, channel, template_id,
                  attribution_days, starts_at, ends_at)
           SELECT * FROM {unnest("text bigint text text text text text text int timestamptz timestamptz")}
           ON CONFLICT (campaign_id) DO UPDATE
           SET version = excluded.version, name = excluded.name, goal = excluded.goal,
               business_line = excluded.business_line, status = excluded.status, channel = excluded.channel,
               template_id = excluded.template_id, attribution_days = excluded.attribution_days,
               starts_at = excluded.starts_at, ends_at = excluded.ends_at
           WHERE excluded.version > c.version""",
        *as_columns(rows),
    )


async def upsert_decisions(session: Session, decisions: Sequence[facts.Decision]) -> None:
    """Targeting's half of each decision is kept; what coupons answered stays."""
    rows = facts.latest(decisions, key=itemgetter(0, 1, 2), rank=_as_good_as_any)
    await execute(
        session,
        f"""INSERT INTO decisions AS d (campaign_id, customer_id, decision_id, decided_arm, reason, stage, decided_at,
                  window_ends_at)
           SELECT campaign_id, customer_id, decision_id, decided_arm, reason, stage, decided_at,
                  decided_at + attribution_days * interval '24 hours'
           FROM {unnest("text text text text text text timestamptz int")}
                AS n(campaign_id, customer_id, decision_id, decided_arm, reason, stage, decided_at, attribution_days)
           ON CONFLICT (campaign_id, customer_id, decision_id) DO UPDATE
           SET decided_arm = excluded.decided_arm, reason = excluded.reason, stage = excluded.stage,
               decided_at = excluded.decided_at, window_ends_at = excluded.window_ends_at
           WHERE d.decided_arm IS NULL""",
        *as_columns(rows),
    )


async def upsert_outcomes(session: Session, outcomes: Sequence[facts.Outcome]) -> None:
    """Coupons' half of each decision is kept; what targeting decided stays."""
    rows = facts.latest(outcomes, key=itemgetter(0, 1, 2), rank=_as_good_as_any)
    await execute(
        session,
        f"""INSERT INTO decisions AS d (campaign_id, customer_id, decision_id, outcome, code)
           SELECT * FROM {unnest("text text text text text")}
           ON CONFLICT (campaign_id, customer_id, decision_id) DO UPDATE
           SET outcome = excluded.outcome, code = excluded.code
           WHERE d.outcome IS NULL""",
        *as_columns(rows),
    )


async def add_coupons(session: Session, coupons: Sequence[facts.Coupon]) -> None:
    await execute(
        session,
        f"""INSERT INTO coupons (coupon_id, campaign_id, customer_id, channel, issued_at, valid_until)
           SELECT * FROM {unnest("text text text text timestamptz timestamptz")}
           ON CONFLICT DO NOTHING""",
        *as_columns(sorted(coupons)),
    )


async def upsert_redemptions(session: Session, redemptions: Sequence[facts.Redemption]) -> None:
    """A redemption once known as rolled back stays so."""
    rows = facts.latest(redemptions, key=itemgetter(0), rank=attrgetter("rolled_back"))
    await execute(
        session,
        f"""INSERT INTO redemptions AS r (redemption_id, coupon_id, campaign_id, customer_id, channel, shop_id,
                  order_id, currency, platform, merchant, rolled_back)
           SELECT * FROM {unnest("text text text text text text text text bigint bigint bool")}
           ON CONFLICT (redemption_id) DO UPDATE SET rolled_back = true
           WHERE excluded.rolled_back AND NOT r.rolled_back""",
        *as_columns(rows),
    )
