"""The last check before delivery (AH5): every waiting decision is answered, and treated customers get their coupons."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from services.coupons import repository
from services.coupons.actions import telling
from services.coupons.domain import Answer, Coupon, Customer, Decision, Limits, Outcome, answer, use_window
from shared import outbox
from shared.database import Session
from shared.ids import Ids

CHUNK = 5_000


async def issue_coupons(session: Session, at: datetime) -> bool:
    """About CHUNK decisions have their one answer, as of the tick `at`; False when more are waiting.

    Tells `coupon.issued`, `coupon.withheld` (held out, and would have been issued) or `coupon.refused`."""
    # The clock's row is locked, so nobody else issues: no lock on customers is needed for the counts to hold.
    decisions = await repository.list_waiting(session, CHUNK)
    if not decisions:
        return True
    answers = await _answer(session, decisions, at)
    issued = [_coupon(session, each, at) for each in answers if each.outcome is Outcome.ISSUED]
    await repository.answer_decisions(session, answers, at)
    if issued:
        await repository.add_coupons(session, issued)
        await repository.add_issued(session, Counter(sorted(coupon.template_id for coupon in issued)))
        await repository.mark_orders(session, sorted(coupon.code for coupon in issued))
    outbox.emit(session, [telling.issued(coupon) for coupon in issued])
    outbox.emit(session, [telling.not_issued(each, at) for each in answers if each.outcome is not Outcome.ISSUED])
    return len(decisions) < CHUNK


async def _answer(session: Session, decisions: Sequence[Decision], at: datetime) -> list[Answer]:
    limits: Limits = session.info["limits"]
    stocks = await repository.lock_stocks(session, sorted({decision.template_id for decision in decisions}))
    customers: dict[str, Customer] = await repository.get_customers(
        session, sorted({decision.customer_id for decision in decisions}), at, at - limits.same_kind_window
    )
    return answer(decisions, stocks, customers, limits, at)


def _coupon(session: Session, each: Answer, at: datetime) -> Coupon:
    ids: Ids = session.info["ids"]
    decision, stock = each.decision, each.stock
    assert stock is not None, "what is issued has a template"
    valid_from, valid_until = use_window(stock.definition, at)
    return Coupon(
        coupon_id=ids.derive("cpn", decision.decision_id),
        code=ids.code(decision.decision_id),
        decision_id=decision.decision_id,
        campaign_id=decision.campaign_id,
        customer_id=decision.customer_id,
        template_id=stock.template_id,
        template_version=stock.version,
        kind=stock.definition.kind,
        channel=decision.channel,
        issued_at=at,
        valid_from=valid_from,
        valid_until=valid_until,
        uses=stock.definition.uses,
        used=0,
        definition=stock.definition,
    )
