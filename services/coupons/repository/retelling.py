"""Coupons, answers and redemptions in the order of their ids, to be told anew."""

from typing import Any

from services.coupons.domain import Answer, Coupon, Decision, Outcome, Redemption
from services.coupons.repository.coupons import coupon_of
from services.coupons.repository.redemptions import ROWS, redemption_of_row
from shared.database import ReadSession, fetch


async def list_issued(session: ReadSession, after: str, limit: int) -> list[tuple[Coupon, Any]]:
    """Coupons after this one, each with its row, which says whether its end was told."""
    rows = await fetch(
        session,
        """SELECT c.*, v.definition
           FROM coupons AS c JOIN template_versions AS v
                ON v.template_id = c.template_id AND v.version = c.template_version
           WHERE c.coupon_id > $1 ORDER BY c.coupon_id LIMIT $2""",
        after,
        limit,
    )
    return [(coupon_of(row), row) for row in rows]


async def list_not_issued(session: ReadSession, after: str, limit: int) -> list[tuple[Answer, Any]]:
    """Decisions after this one that were answered without a coupon, each with its row, which says when."""
    rows = await fetch(
        session,
        """SELECT decision_id, campaign_id, customer_id, arm, caused_at, decided_at, priority, template_id, channel,
                  anti_harassment, limit_per_customer, outcome, code, answered_at
           FROM known_decisions WHERE decision_id > $1 AND outcome IN ('withheld', 'refused')
           ORDER BY decision_id LIMIT $2""",
        after,
        limit,
    )
    return [(_answer(dict(row)), row) for row in rows]


def _answer(fields: dict[str, Any]) -> Answer:
    outcome, code = Outcome(fields.pop("outcome")), fields.pop("code")
    del fields["answered_at"]
    return Answer(Decision(**fields), outcome, code, None)


async def list_all_redemptions(session: ReadSession, after: str, limit: int) -> list[Redemption]:
    """Redemptions after this one, rolled back or not."""
    rows = await fetch(session, f"{ROWS} WHERE r.redemption_id > $1 ORDER BY r.redemption_id LIMIT $2", after, limit)
    return [redemption_of_row(row) for row in rows]
