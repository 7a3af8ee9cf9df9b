"""Paid orders that name codes: they use the coupon, unless the storefront has reported that use itself."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from operator import attrgetter

from services.coupons import repository
from services.coupons.actions import telling
from services.coupons.domain import (
    Coupon,
    Redemption,
    Use,
    check_owner,
    check_use,
    discount_of,
    normalise,
    redemption_of,
)
from services.coupons.repository.orders import PaidOrder
from shared import outbox
from shared.consuming import newest
from shared.database import Session
from shared.errors import Refusal
from shared.events.profile import OrderPaid, OrderState
from shared.ids import Ids

CHUNK = 5_000

# A code used on an order: (coupon_id, shop_id, order_id).
Named = tuple[str, str, str]


async def note_paid_orders(session: Session, events: Iterable[OrderPaid]) -> None:
    """The newest version of each paid order that names codes is known, and waits for the tick if it counts."""
    told = newest((event.data for event in events), attrgetter("order_key"))
    # Most orders name no code. Of those only the ones that did before are of interest.
    named = (_paid_order(order) for order in told.values() if order.coupons)
    found = [order for order in named if order.codes]
    without = told.keys() - {order.order_key for order in found}
    known = await repository.find_known_orders(session, list(without)) if without else set[str]()
    found += [_paid_order(told[key]) for key in known]
    if found:
        await repository.upsert_orders(session, found)


def _paid_order(data: OrderState) -> PaidOrder:
    codes = dict.fromkeys(map(normalise, data.coupons))
    return PaidOrder(
        order_key=data.order_key,
        version=data.version,
        customer_id=data.customer_id,
        shop_id=data.shop_id,
        order_id=data.order_id,
        amount=data.amount,
        currency=data.currency,
        paid_at=data.paid_at,
        # What else a shop takes at its till is none of our business.
        codes=[code for code in codes if Ids.code_is_sound(code)],
        counted=data.counted and data.paid_at is not None,
    )


async def redeem_paid_orders(session: Session, at: datetime) -> bool:
    """Up to CHUNK marked orders have used the coupons they name, as of their payment; False when more are marked.

    Tells `coupon.redeemed`. A use that was ever redeemed over HTTP is left alone, a forbidden one is noted with its
    rule, and a code that no coupon has stays with the order until one is issued."""
    del at
    orders = await repository.take_marked(session, CHUNK)
    if not orders:
        return True
    coupons = await repository.lock_coupons(session, sorted({code for order in orders for code in order.codes}))
    named = [
        (coupons[code].coupon_id, order.shop_id, order.order_id)
        for order in orders
        for code in order.codes
        if code in coupons
    ]
    known = await repository.list_redemptions_of_orders(session, named) if named else []
    uses = _Uses(session.info["ids"], coupons, {(r.coupon_id, r.shop_id, r.order_id) for r in known})
    refusals = {order.order_key: uses.redeem(order) for order in orders}
    if uses.redeemed:
        await repository.add_redemptions(session, uses.redeemed)
    await repository.refuse_codes(session, refusals)
    outbox.emit(session, [telling.redeemed(redemption) for redemption in uses.redeemed])
    return len(orders) < CHUNK


class _Uses:
    """Uses coupons on one order after the other, each seeing what the ones before it have used up."""

    def __init__(self, ids: Ids, coupons: dict[str, Coupon], known: set[Named]) -> None:
        self._ids = ids
        self._coupons = coupons
        self._known = known
        self.redeemed: list[Redemption] = []

    def redeem(self, order: PaidOrder) -> dict[str, str]:
        """By code: the rules that forbid it."""
        refusals: dict[str, str] = {}
        for code in order.codes:
            coupon = self._coupons.get(code)
            if coupon is None or (coupon.coupon_id, order.shop_id, order.order_id) in self._known:
                continue
            try:
                self.redeemed.append(self._redemption(coupon, order))
            except Refusal as refusal:
                refusals[code] = refusal.code
            else:
                self._coupons[code] = replace(coupon, used=coupon.used + 1)
        return refusals

    def _redemption(self, coupon: Coupon, order: PaidOrder) -> Redemption:
        assert order.paid_at is not None, "an order that counts was paid"
        use = Use(
            code=coupon.code,
            customer_id=order.customer_id,
            shop_id=order.shop_id,
            order_id=order.order_id,
            reference="",
            amount=order.amount,
            currency=order.currency,
            at=order.paid_at,
        )
        check_owner(coupon, use)
        check_use(coupon, use)
        # Another id than any redemption over HTTP has: this one may be adopted by one with a reference.
        redemption_id = self._ids.derive("rdm", use.shop_id, use.order_id, use.code)
        return redemption_of(coupon, use, discount_of(coupon.definition, use), redemption_id, by_order=True)
