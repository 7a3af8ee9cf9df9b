"""Issued coupons."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from services.coupons.domain import Coupon, Status
from services.coupons.errors import CouponNotFound
from services.coupons.repository.templates import definition_of
from shared.database import ReadSession, Session, as_columns, execute, fetch, fetch_one, unnest

# Instants compared, never a status that somebody sets; $1 is now.
_SHOWN = """
SELECT * FROM (
    SELECT c.*, v.definition,
           CASE WHEN c.uses IS NOT NULL AND c.used >= c.uses THEN 'used_up' WHEN $1 >= c.valid_until THEN 'expired'
                WHEN $1 < c.valid_from THEN 'not_active_yet' ELSE 'usable' END AS status
    FROM coupons AS c JOIN template_versions AS v ON v.template_id = c.template_id AND v.version = c.template_version
) AS shown
"""


_COLUMNS = {
    "coupon_id": "text",
    "code": "text",
    "decision_id": "text",
    "campaign_id": "text",
    "customer_id": "text",
    "template_id": "text",
    "template_version": "int",
    "kind": "text",
    "channel": "text",
    "issued_at": "timestamptz",
    "valid_from": "timestamptz",
    "valid_until": "timestamptz",
    "uses": "bigint",
}
_ADD = f"INSERT INTO coupons ({', '.join(_COLUMNS)}) SELECT * FROM {unnest(' '.join(_COLUMNS.values()))}"
_SAME = tuple(field.name for field in fields(Coupon) if field.name != "definition")


@dataclass(frozen=True, slots=True)
class Locked:
    """A coupon that nobody else can use until this transaction ends; whether it was used up when we asked for it."""

    coupon: Coupon
    was_used_up: bool


def coupon_of(row: Any) -> Coupon:
    return Coupon(**{name: row[name] for name in _SAME}, definition=definition_of(row["definition"]))


async def add_coupons(session: Session, coupons: Sequence[Coupon]) -> None:
    """Inserts them; none is there yet."""
    rows = sorted(coupons, key=lambda coupon: coupon.coupon_id)
    await execute(session, _ADD, *as_columns(map(attrgetter(*_COLUMNS), rows)))


async def get_coupon(session: ReadSession, code: str, now: datetime) -> tuple[Coupon, Status]:
    """A coupon, and what it is now; raises CouponNotFound."""
    row = await fetch_one(session, f"{_SHOWN} WHERE code = $2", now, code)
    if row is None:
        raise CouponNotFound(f"there is no coupon with the code {code}", pointer="/code")
    return coupon_of(row), Status(row["status"])


async def list_coupons(
    session: ReadSession,
    customer_id: str,
    status: str | None,
    now: datetime,
    after: list[Any] | None,
    limit: int,
) -> list[tuple[Coupon, Status]]:
    """A customer's coupons, and what each is now; the earliest issued first."""
    issued_at, coupon_id = after or (None, None)
    rows = await fetch(
        session,
        f"""{_SHOWN} WHERE customer_id = $2 AND ($3::text IS NULL OR status = $3)
              AND ($4::timestamptz IS NULL OR (issued_at, coupon_id) > ($4, $5))
            ORDER BY issued_at, coupon_id LIMIT $6""",
        now,
        customer_id,
        status,
        issued_at,
        coupon_id,
        limit,
    )
    return [(coupon_of(row), Status(row["status"])) for row in rows]


async def lock_coupon(session: Session, code: str) -> Locked:
    """The coupon, locked; raises CouponNotFound."""
    # `seen` keeps the row as it was when the statement began, `c` is read again after waiting for the lock. Both are
    # found by the code alone: a join would be planned while the table is small, and kept when it is not any more.
    row = await fetch_one(
        session,
        """WITH seen AS MATERIALIZED (SELECT used FROM coupons WHERE code = $1)
           SELECT c.*, coalesce((SELECT used FROM seen) >= c.uses, false) AS was_used_up,
                  (SELECT v.definition FROM template_versions AS v
                   WHERE v.template_id = c.template_id AND v.version = c.template_version)
           FROM coupons AS c WHERE c.code = $1 FOR UPDATE OF c""",
        code,
    )
    if row is None:
        raise CouponNotFound(f"there is no coupon with the code {code}", pointer="/code")
    return Locked(coupon_of(row), row["was_used_up"])


async def lock_coupons(session: Session, codes: list[str]) -> dict[str, Coupon]:
    """By code: those of the coupons that exist, locked."""
    rows = await fetch(
        session,
        """SELECT c.*, v.definition
           FROM coupons AS c JOIN template_versions AS v
                ON v.template_id = c.template_id AND v.version = c.template_version
           WHERE c.code = ANY($1) ORDER BY c.coupon_id FOR UPDATE OF c""",
        codes,
    )
    return {row["code"]: coupon_of(row) for row in rows}


async def expire_coupons(session: Session, at: datetime, limit: int) -> list[Any]:
    """Marks the coupons whose validity has ended and was not told, the first to end first; their rows."""
    return await fetch(
        session,
        """WITH ended AS (
               SELECT coupon_id FROM coupons WHERE NOT expiry_told AND valid_until <= $1
               ORDER BY valid_until, coupon_id LIMIT $2
           ), told AS (
               UPDATE coupons AS c SET expiry_told = true FROM ended WHERE c.coupon_id = ended.coupon_id RETURNING c.*
           )
           SELECT * FROM told ORDER BY valid_until, coupon_id""",
        at,
        limit,
    )
