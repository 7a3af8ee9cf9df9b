"""Coupons whose validity has ended are told of; nothing asks whether they were."""

from datetime import datetime

from services.coupons import repository
from services.coupons.actions import telling
from shared import outbox
from shared.database import Session

CHUNK = 5_000


async def expire_coupons(session: Session, at: datetime) -> bool:
    """Up to CHUNK coupons that ended by `at` are told of once, each as of its own end; False when more are left.

    Tells `coupon.expired`."""
    ended = await repository.expire_coupons(session, at, CHUNK)
    outbox.emit(session, [telling.expired(row) for row in ended])
    return len(ended) < CHUNK
