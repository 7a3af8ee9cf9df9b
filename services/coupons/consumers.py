"""What coupons listens to: targeting's decisions, and paid orders because they may name a code."""

from collections.abc import Iterable

from services.coupons import actions
from shared import topics
from shared.consuming import Consumers
from shared.database import Session
from shared.events.profile import OrderPaid
from shared.events.targeting import DecisionMade

consumers = Consumers(clocked=[topics.TARGETING, topics.PROFILE])


@consumers.on(DecisionMade)
async def on_decision_made(session: Session, events: Iterable[DecisionMade]) -> None:
    await actions.note_decisions(session, events)


@consumers.on(OrderPaid)
async def on_order_paid(session: Session, events: Iterable[OrderPaid]) -> None:
    await actions.note_paid_orders(session, events)
