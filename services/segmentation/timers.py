"""What segmentation decides when its clock moves: stages first, then memberships, then a piece of filling."""

from services.segmentation import actions
from shared.database import Session
from shared.timekeeper import Now


async def on_tick(session: Session, now: Now) -> bool:
    """Stages and memberships of everybody concerned are as of the tick; False when some are left."""
    if not await actions.advance_customers(session, now):
        return False
    # A piece at each tick: large segments are filled over many ticks and never hold the clock up.
    await actions.fill_segments(session, now)
    return True


async def on_piece(session: Session, now: Now) -> bool:
    """A piece of a large tick is decided, as others may be at the same time; False when there is none left."""
    return await actions.advance_piece(session, now)
