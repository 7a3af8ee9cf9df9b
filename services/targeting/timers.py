"""What targeting does when its clock moves: it decides."""

from services.targeting import actions
from shared.database import Session
from shared.timekeeper import Now


async def on_tick(session: Session, now: Now) -> bool:
    """Decides what is due at the tick, a piece in each transaction."""
    return await actions.decide(session, now)
