"""Issued coupons."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from services.coupons import repository
from services.coupons.domain import Status, normalise
from services.coupons.errors import CouponNotFound
from services.coupons.schemas.coupons import CouponAnswer
from services.coupons.schemas.redemptions import RedemptionAnswer
from shared.http.door import CallerOf, Now, SessionOf, access
from shared.http.door import router as make_router
from shared.http.pages import Cursor, Limit, Page, decode_cursor

router = make_router("coupons")


@router.get("/coupons/{code}", **access("coupons:read", CouponNotFound, shop_keys=True))
async def get_coupon(session: SessionOf, caller: CallerOf, now: Now, code: str) -> CouponAnswer:
    """Dashes and case do not matter. A key that is bound to a shop sees coupons that are for that shop alone."""
    coupon = CouponAnswer.of(await repository.get_coupon(session, normalise(code), now))
    if caller.shop_id is not None and coupon.shops != [caller.shop_id]:
        raise CouponNotFound(f"there is no coupon with the code {coupon.code}", pointer="/code")
    return coupon


@router.get("/coupons/{code}/redemptions", **access("coupons:read", CouponNotFound, shop_keys=True))
async def list_redemptions(
    session: SessionOf, caller: CallerOf, now: Now, code: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[RedemptionAnswer]:
    """A coupon's uses, rolled back or not, the earliest first; a key that is bound to a shop sees that shop's."""
    coupon, _ = await repository.get_coupon(session, normalise(code), now)
    rows = await repository.list_redemptions(
        session, coupon.coupon_id, caller.shop_id, decode_cursor(cursor, datetime, str), limit + 1
    )
    return Page[RedemptionAnswer].of(
        rows, limit, key=lambda each: [each.redeemed_at.isoformat(), each.redemption_id], item=RedemptionAnswer.of
    )


@router.get("/customers/{customer_id}/coupons", **access("coupons:read"))
async def list_coupons(
    session: SessionOf,
    now: Now,
    customer_id: str,
    status: Annotated[Status | None, Query(description="only those that are in this state now")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CouponAnswer]:
    """A customer's coupons, the earliest issued first; nobody's are an empty list."""
    rows = await repository.list_coupons(
        session, customer_id, status, now, decode_cursor(cursor, datetime, str), limit + 1
    )
    return Page[CouponAnswer].of(
        rows, limit, key=lambda each: [each[0].issued_at.isoformat(), each[0].coupon_id], item=CouponAnswer.of
    )
