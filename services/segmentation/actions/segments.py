"""Segments as people make, change and delete them: SG1, SG3, SG8."""

import json
from datetime import datetime
from typing import Any

from services.segmentation import repository
from services.segmentation.domain import finite, parse_rule
from shared.database import Session
from shared.ids import new_id


async def create_segment(session: Session, name: str, rule: dict[str, Any], now: datetime) -> Any:
    """The segment exists, empty, and is filled from the next tick on; returns its row. Refuses a rule that is none."""
    parse_rule(rule)
    segment_id = new_id(session.info, "seg")
    to_fill = await repository.count_customers(session)
    row = await repository.add_segment(session, segment_id, name, json.dumps(rule), to_fill, finite(now))
    await repository.add_version(session, segment_id, finite(now))
    return row


async def change_segment(
    session: Session, segment_id: str, name: str | None, rule: dict[str, Any] | None, now: datetime
) -> Any:
    """The segment has the new name; another rule is its next version, by which its members are looked at anew.

    Returns its row. Refuses an unknown segment, and a rule that is none.
    """
    row = await repository.lock_segment(session, segment_id)
    await repository.update_segment(session, segment_id, name or row["name"], finite(now))
    if rule is not None and rule != json.loads(row["rule_text"]):
        parse_rule(rule)
        to_fill = await repository.count_customers(session)
        await repository.restart_filling(session, segment_id, json.dumps(rule), to_fill)
        await repository.add_version(session, segment_id, finite(now))
    return await repository.get_segment(session, segment_id)


async def delete_segment(session: Session, segment_id: str, now: datetime) -> None:
    """The segment is gone for callers; its members leave at the next ticks. Refuses an unknown segment."""
    await repository.lock_segment(session, segment_id)
    await repository.begin_leaving(session, segment_id, finite(now))
