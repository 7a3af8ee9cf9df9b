"""Coupons checked, used and given back; open to keys that are bound to a shop, each for its own shop."""

from fastapi import Response

from services.coupons import actions, repository
from services.coupons.errors import AlreadyRolledBack, CouponNotFound, RedemptionNotFound, UseRefused, UseTaken
from services.coupons.schemas.redemptions import RedemptionAnswer, RedemptionBody, ValidationAnswer, ValidationBody
from shared.http.door import CallerOf, Now, SessionOf, access
from shared.http.door import router as make_router
from shared.http.keys import ShopBound
from shared.ids import Ids

router = make_router("redemptions")


@router.post("/validations", **access("coupons:redeem", ShopBound, shop_keys=True))
async def validate(session: SessionOf, caller: CallerOf, now: Now, body: ValidationBody) -> ValidationAnswer:
    """Whether a coupon may be used on this order now, and what it is worth. Always 200: see `valid` and `reason`."""
    caller.require_shop(body.shop_id)
    use = body.use(_customer(session, body), now)
    return ValidationAnswer.of(use.code, await actions.validate(session, use))


@router.post(
    "/redemptions",
    status_code=201,
    responses={200: {"model": RedemptionAnswer, "description": "This use was made before."}},
    **access("coupons:redeem", CouponNotFound, UseRefused, UseTaken, ShopBound, shop_keys=True),
)
async def redeem(
    session: SessionOf, caller: CallerOf, now: Now, body: RedemptionBody, response: Response
) -> RedemptionAnswer:
    """Uses a coupon: 201. The same use again is the same redemption: 200. A rule that forbids it: 422 with its code."""
    caller.require_shop(body.shop_id)
    redemption, is_new = await actions.redeem(session, body.use(_customer(session, body), now))
    response.status_code = 201 if is_new else 200
    return RedemptionAnswer.of(redemption)


@router.get("/redemptions/{redemption_id}", **access("coupons:read", RedemptionNotFound, shop_keys=True))
async def get_redemption(session: SessionOf, caller: CallerOf, redemption_id: str) -> RedemptionAnswer:
    return RedemptionAnswer.of(await repository.get_redemption(session, redemption_id, caller.shop_id))


@router.post(
    "/redemptions/{redemption_id}/rollback",
    **access("coupons:redeem", RedemptionNotFound, AlreadyRolledBack, shop_keys=True),
)
async def roll_back(session: SessionOf, caller: CallerOf, now: Now, redemption_id: str) -> RedemptionAnswer:
    """Undoes a redemption and frees its use; the second time it is a conflict."""
    return RedemptionAnswer.of(await actions.roll_back(session, redemption_id, caller.shop_id, now))


def _customer(session: SessionOf, body: RedemptionBody) -> str | None:
    """Whose order it is, if the body says so."""
    if body.customer_id is not None or body.source_id is None:
        return body.customer_id
    # As profile derives it: an id says who it is without asking.
    ids: Ids = session.info["ids"]
    return ids.derive("cus", body.platform, "source_id", body.source_id)
