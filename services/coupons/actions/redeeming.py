"""Coupons checked, used and given back over HTTP."""

from dataclasses import replace
from datetime import datetime

from services.coupons import repository
from services.coupons.actions import telling
from services.coupons.domain import (
    Coupon,
    DiscountType,
    Redemption,
    Split,
    Use,
    Validation,
    check_owner,
    check_use,
    discount_of,
    redemption_of,
)
from services.coupons.errors import AlreadyRolledBack, UseTaken
from shared import outbox
from shared.database import ReadSession, Session
from shared.errors import Refusal
from shared.ids import Ids


async def validate(session: ReadSession, use: Use) -> Validation:
    """Whether this use would be accepted now. Changes nothing, holds nothing: a moment later it may be used up."""
    try:
        coupon, _ = await repository.get_coupon(session, use.code, use.at)
        check_owner(coupon, use)
        standing = _standing(await _uses_of_order(session, coupon, use), use)
        if standing is not None:
            return Validation(_same(standing, coupon, use))
        check_use(coupon, use)
        return Validation(_worth(coupon, use))
    except Refusal as refusal:
        return Validation(None, refusal.code, refusal.detail)


async def redeem(session: Session, use: Use) -> tuple[Redemption, bool]:
    """The coupon has one more use, on this order. The redemption, and whether it is new. Tells `coupon.redeemed`.

    The same (shop, order, code, reference) while it stands is the same redemption; after a rollback it is another one.
    Refused with the code of the rule; as a conflict when the last use was taken while we waited for the coupon, or when
    the same natural key came with another amount or discount."""
    locked = await repository.lock_coupon(session, use.code)
    coupon = locked.coupon
    check_owner(coupon, use)
    before = await _uses_of_order(session, coupon, use)
    standing = _standing(before, use)
    if standing is not None:
        _same(standing, coupon, use)
        return await _adopt(session, standing, use), False
    if coupon.is_used_up and not locked.was_used_up:
        raise UseTaken("somebody else has used this coupon just now", pointer="/code")
    check_use(coupon, use)
    attempt = 1 + sum(each.reference == use.reference for each in before)
    redemption = redemption_of(
        coupon, use, discount_of(coupon.definition, use), _redemption_id(session, use, attempt), attempt=attempt
    )
    await repository.add_redemptions(session, [redemption])
    outbox.emit(session, [telling.redeemed(redemption)])
    return redemption, True


async def roll_back(session: Session, redemption_id: str, shop_id: str | None, now: datetime) -> Redemption:
    """The redemption is undone and its use is free again; `redemption.rolled_back` tells it. Refused the second time.

    To a `shop_id` the redemptions of other shops do not exist."""
    redemption = await repository.get_redemption(session, redemption_id, shop_id)
    undone = await repository.roll_back(session, redemption, now)
    if undone is None:
        raise AlreadyRolledBack("this redemption was rolled back before")
    outbox.emit(session, [telling.rolled_back(undone)])
    return undone


async def _uses_of_order(session: ReadSession, coupon: Coupon, use: Use) -> list[Redemption]:
    return await repository.list_redemptions_of_orders(session, [(coupon.coupon_id, use.shop_id, use.order_id)])


def _standing(before: list[Redemption], use: Use) -> Redemption | None:
    """The redemption that this use has made before: by its natural key, or because the paid order named the code."""
    return next((each for each in before if each.stands and (each.by_order or each.reference == use.reference)), None)


def _same(standing: Redemption, coupon: Coupon, use: Use) -> Split:
    """The discount that was given; raises UseTaken when this is asked for with another amount or discount."""
    if (standing.amount, standing.currency) != (use.amount, use.currency):
        raise UseTaken("this order has used this coupon with another amount", pointer="/amount")
    if _worth(coupon, use) not in (None, standing.given):
        raise UseTaken("this order has used this coupon with another discount", pointer="/discount")
    return standing.given


def _worth(coupon: Coupon, use: Use) -> Split | None:
    """The discount, as far as anybody knows it before the storefront has reported one."""
    if coupon.definition.discount.type is DiscountType.AS_REPORTED and use.reported is None:
        return None
    return discount_of(coupon.definition, use)


async def _adopt(session: Session, standing: Redemption, use: Use) -> Redemption:
    """What a paid order has used is now reported: from here on it has that reference, and is adopted by no other."""
    if not standing.by_order:
        return standing
    await repository.adopt_redemption(session, standing, use.reference)
    return replace(standing, reference=use.reference, by_order=False)


def _redemption_id(session: Session, use: Use, attempt: int) -> str:
    ids: Ids = session.info["ids"]
    return ids.derive("rdm", use.shop_id, use.order_id, use.code, use.reference, str(attempt))
