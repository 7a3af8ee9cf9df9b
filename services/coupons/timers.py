"""What coupons does when its clock moves: uses coupons on paid orders, answers decisions, tells what expired."""

from services.coupons import actions
from shared.database import Session
from shared.timekeeper import Now

# Paid orders come first, so that what was used counts as used (AH1), and again for codes that were issued just now.
_STEPS = (actions.redeem_paid_orders, actions.issue_coupons, actions.redeem_paid_orders, actions.expire_coupons)


async def on_tick(session: Session, now: Now) -> bool:
    """Everything that is due at `now.at` is done and told; False while a step has left more than one chunk's work."""
    for step in _STEPS:
        if not await step(session, now.at):
            return False
    return True
