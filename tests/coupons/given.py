"""What the tests of coupons begin with: templates, decisions, orders, ticks, and clients at the HTTP door."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from services.coupons import actions
from services.coupons.app import make_app
from services.coupons.consumers import consumers
from services.coupons.domain import Definition, Discount, DiscountType, Limits, Validity, ValidityType
from services.coupons.settings import Settings
from services.coupons.timers import on_tick
from shared.database import Database
from shared.events import Event
from shared.events.coupons import CouponIssued
from shared.events.profile import OrderPaid, OrderState
from shared.events.targeting import Decision, DecisionMade, Offer
from shared.http import keys
from tests.support import doing

T0 = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LIMITS = Limits()
# Somebody in this database waits for a lock.
WAITING = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def template(**fields: Any) -> Definition:
    """5.00 off any order, for 30 days."""
    standard: dict[str, Any] = {
        "name": "Five off",
        "kind": "comeback",
        "discount": Discount(DiscountType.AMOUNT_OFF, "USD", amount=500),
        "validity": Validity(ValidityType.RELATIVE, days=30),
    }
    return Definition(**{**standard, **fields})


AS_REPORTED = Discount(DiscountType.AS_REPORTED, "USD")


async def add_template(database: Database, **fields: Any) -> str:
    async with database.transaction() as session:
        session.info["ids"] = doing.IDS
        return (await actions.create_template(session, template(**fields), T0)).template_id


def decision(number: int | str, template_id: str, **fields: Any) -> DecisionMade:
    """Treated, by campaign c1, for anna, caused and decided at T0 and checked for harassment, unless told otherwise."""
    offer = {
        "template_id": template_id,
        "channel": "push",
        "goal": "recall",
        "priority": fields.pop("priority", 0),
        "attribution_days": 14,
        "anti_harassment": fields.pop("anti_harassment", True),
        "limit_per_customer": fields.pop("limit_per_customer", None),
    }
    standard: dict[str, Any] = {
        "decision_id": f"dec_{number}",
        "campaign_id": "c1",
        "campaign_version": 1,
        "customer_id": "cus_anna",
        "arm": "treated",
        "reasons": ["stage-entered"],
        "cause": "silent",
        "caused_at": T0,
        "decided_at": T0,
    }
    data = Decision(**{**standard, **fields}, offer=Offer(**offer))
    return DecisionMade(id=f"{data.decision_id}:made", source="targeting", time=data.decided_at, data=data)


def paid(number: int, codes: Sequence[str], **fields: Any) -> OrderPaid:
    """An order of 100.00 in shop s1 by anna, paid an hour after T0."""
    standard: dict[str, Any] = {
        "order_key": f"ord_{number}",
        "version": 1,
        "customer_id": "cus_anna",
        "shop_id": "s1",
        "order_id": f"o{number}",
        "currency": "USD",
        "amount": 10_000,
        "refunded_amount": 0,
        "counted": True,
        "paid_at": T0 + timedelta(hours=1),
        "coupons": list(codes),
    }
    data = OrderState(**{**standard, **fields})
    return OrderPaid(id=f"{data.order_key}:{data.version}", source="profile", time=T0, data=data)


async def apply(database: Database, *events: Event) -> None:
    await doing.apply(database, "coupons", consumers, events)


async def tick(database: Database, at: datetime, limits: Limits = LIMITS) -> None:
    await doing.tick(database, "coupons", on_tick, at, limits=limits)


async def answers(database: Database) -> dict[str, str]:
    """By decision: how it was answered, or the code of the rule that forbade it."""
    rows = await doing.rows(database, "SELECT decision_id, coalesce(code, outcome) AS answer FROM known_decisions")
    return {row["decision_id"]: row["answer"] for row in rows}


async def issue(database: Database, template_id: str, number: int | str = 1, **fields: Any) -> str:
    """A coupon of this template, issued at T0 (or at `decided_at`); its code."""
    made = decision(number, template_id, anti_harassment=False, **fields)
    await apply(database, made)
    await tick(database, made.data.decided_at)
    events = await doing.told(database)
    return next(each.data.code for each in events if isinstance(each, CouponIssued))


@asynccontextmanager
async def client(database: Database, scopes: Sequence[str] = keys.SCOPES, shop_id: str | None = None):
    app = make_app(doing.settings_for(database, Settings))
    async with doing.client(app, database, scopes, shop_id) as http:
        yield http


def use(code: str, **fields: Any) -> dict[str, Any]:
    """The body of a redemption of 100.00 on order o1 of shop s1."""
    body = {"code": code, "shop_id": "s1", "order_id": "o1", "amount": 10_000, "currency": "USD"}
    return {**body, **fields}


def refused(response: httpx.Response) -> tuple[int, str]:
    """The status and code of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["code"]
