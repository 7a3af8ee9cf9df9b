"""What profile does when its clock moves: nothing of its own; it passes the tick on."""

from shared.database import Session
from shared.timekeeper import Now


async def on_tick(session: Session, now: Now) -> bool:
    """Profile decides nothing; the runtime passes the tick on."""
    del session, now
    return True
