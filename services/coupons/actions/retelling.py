"""What coupons knows, told anew: `comeback retell coupons`. All of it are facts: the same events as the first time.

Each action takes the next few and says where to go on.
"""

from dataclasses import replace

from services.coupons import repository
from services.coupons.actions import telling
from shared import outbox
from shared.database import Session


async def retell_coupons(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next coupons are told once more, as `coupon.issued`, and those whose end was told as `coupon.expired`."""
    found = await repository.list_issued(session, after, limit)
    outbox.emit(session, [telling.issued(coupon) for coupon, _ in found])
    outbox.emit(session, [telling.expired(row) for _, row in found if row["expiry_told"]])
    return len(found), found[-1][0].coupon_id if found else None


async def retell_answers(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next answers that gave no coupon are told once more, as `coupon.withheld` or `coupon.refused`."""
    found = await repository.list_not_issued(session, after, limit)
    outbox.emit(session, [telling.not_issued(answer, row["answered_at"]) for answer, row in found])
    return len(found), found[-1][0].decision.decision_id if found else None


async def retell_redemptions(session: Session, after: str, limit: int) -> tuple[int, str | None]:
    """The next redemptions are told once more, as `coupon.redeemed` and, if undone, `redemption.rolled_back`."""
    found = await repository.list_all_redemptions(session, after, limit)
    # When it was told, nobody had undone it yet.
    outbox.emit(session, [telling.redeemed(replace(each, rolled_back_at=None)) for each in found])
    outbox.emit(session, [telling.rolled_back(each) for each in found if not each.stands])
    return len(found), found[-1].redemption_id if found else None
