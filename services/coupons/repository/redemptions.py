"""Uses of coupons."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from services.coupons.domain import Redemption
from services.coupons.errors import RedemptionNotFound
from shared.database import ReadSession, Session, as_columns, execute, fetch, fetch_one, unnest

ROWS = """
SELECT r.*, c.code, c.campaign_id, c.customer_id, c.channel FROM redemptions AS r JOIN coupons AS c USING (coupon_id)
"""


_COLUMNS = {
    "redemption_id": "text",
    "coupon_id": "text",
    "shop_id": "text",
    "order_id": "text",
    "reference": "text",
    "attempt": "int",
    "amount": "bigint",
    "currency": "text",
    "platform": "bigint",
    "merchant": "bigint",
    "redeemed_at": "timestamptz",
    "by_order": "bool",
}
_FIELDS = tuple(field.name for field in fields(Redemption))


def redemption_of_row(row: Any) -> Redemption:
    return Redemption(**{name: row[name] for name in _FIELDS})


async def add_redemptions(session: Session, redemptions: Sequence[Redemption]) -> None:
    """Inserts them, and counts each on its coupon, which the caller has locked."""
    rows = sorted(redemptions, key=lambda redemption: redemption.redemption_id)
    await execute(
        session,
        f"""WITH added AS (
               INSERT INTO redemptions ({", ".join(_COLUMNS)})
               SELECT * FROM {unnest(" ".join(_COLUMNS.values()))} RETURNING coupon_id
           )
           UPDATE coupons AS c SET used = c.used + n.uses
           FROM (SELECT coupon_id, count(*) AS uses FROM added GROUP BY coupon_id) AS n
           WHERE c.coupon_id = n.coupon_id""",
        *as_columns(map(attrgetter(*_COLUMNS), rows)),
    )


async def adopt_redemption(session: Session, redemption: Redemption, reference: str) -> None:
    """The use that a paid order made is the one that is now reported with this reference."""
    await execute(
        session,
        "UPDATE redemptions SET by_order = false, reference = $2 WHERE redemption_id = $1",
        redemption.redemption_id,
        reference,
    )


async def list_redemptions_of_orders(session: ReadSession, uses: Sequence[tuple[str, str, str]]) -> list[Redemption]:
    """All that ever happened between these (coupon, shop, order)s, rolled back or not; the first attempts first."""
    rows = await fetch(
        session,
        f"""{ROWS} JOIN unnest($1::text[], $2::text[], $3::text[]) AS u(coupon_id, shop_id, order_id)
                     USING (coupon_id, shop_id, order_id)
            ORDER BY r.attempt, r.redemption_id""",
        [coupon_id for coupon_id, _, _ in uses],
        [shop_id for _, shop_id, _ in uses],
        [order_id for _, _, order_id in uses],
    )
    return [redemption_of_row(row) for row in rows]


async def get_redemption(session: ReadSession, redemption_id: str, shop_id: str | None) -> Redemption:
    """Raises RedemptionNotFound; to a `shop_id` those of other shops do not exist."""
    row = await fetch_one(
        session,
        f"{ROWS} WHERE r.redemption_id = $1 AND ($2::text IS NULL OR r.shop_id = $2)",
        redemption_id,
        shop_id,
    )
    if row is None:
        raise RedemptionNotFound(f"there is no redemption {redemption_id}")
    return redemption_of_row(row)


async def list_redemptions(
    session: ReadSession, coupon_id: str, shop_id: str | None, after: list[Any] | None, limit: int
) -> list[Redemption]:
    """A coupon's redemptions, the earliest first; of one shop when a shop asks."""
    redeemed_at, redemption_id = after or (None, None)
    rows = await fetch(
        session,
        f"""{ROWS} WHERE r.coupon_id = $1 AND ($2::text IS NULL OR r.shop_id = $2)
              AND ($3::timestamptz IS NULL OR (r.redeemed_at, r.redemption_id) > ($3, $4))
            ORDER BY r.redeemed_at, r.redemption_id LIMIT $5""",
        coupon_id,
        shop_id,
        redeemed_at,
        redemption_id,
        limit,
    )
    return [redemption_of_row(row) for row in rows]


async def roll_back(session: Session, redemption: Redemption, now: datetime) -> Redemption | None:
    """Undoes a standing redemption and frees its use; None when it was undone before."""
    # The coupon first, as whoever redeems does, or two transactions could wait for each other.
    await execute(session, "SELECT 1 FROM coupons WHERE coupon_id = $1 FOR UPDATE", redemption.coupon_id)
    row = await fetch_one(
        session,
        """WITH r AS (
               UPDATE redemptions SET rolled_back_at = $2 WHERE redemption_id = $1 AND rolled_back_at IS NULL
               RETURNING *
           ), c AS (
               UPDATE coupons SET used = used - 1 FROM r WHERE coupons.coupon_id = r.coupon_id RETURNING coupons.*
           )
           SELECT r.*, c.code, c.campaign_id, c.customer_id, c.channel FROM r JOIN c USING (coupon_id)""",
        redemption.redemption_id,
        now,
    )
    return None if row is None else redemption_of_row(row)
