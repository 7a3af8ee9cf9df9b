"""What targeting can do."""

from services.targeting.actions.campaigning import (
    change_campaign,
    create_campaign,
    delete_campaign,
    pause_campaign,
    start_campaign,
    stop_campaign,
)
from services.targeting.actions.deciding import decide
from services.targeting.actions.hearing import (
    note_customers,
    note_entries,
    note_issued,
    note_leavings,
    note_refused,
    note_stages,
    note_withheld,
)
from services.targeting.actions.retelling import retell_campaigns, retell_decisions

__all__ = [
    "change_campaign",
    "create_campaign",
    "decide",
    "delete_campaign",
    "note_customers",
    "note_entries",
    "note_issued",
    "note_leavings",
    "note_refused",
    "note_stages",
    "note_withheld",
    "pause_campaign",
    "retell_campaigns",
    "retell_decisions",
    "start_campaign",
    "stop_campaign",
]
