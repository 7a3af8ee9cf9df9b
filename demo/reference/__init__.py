"""The independent reference: every Complete Journey figure, computed straight from the parquet files by SQL.

Called by the replay (to print its figures beside these) and by tests/demo. It uses no code of the services and
none of demo/history.py, on purpose: two ways that agree are the proof.
"""

from demo.reference.campaigns import compute_campaigns
from demo.reference.figures import Campaign, CampaignSums, Lifecycle, Month, Recall, Reference, StageCounts, Totals
from demo.reference.lifecycle import compute_lifecycle
from demo.reference.recall import compute_recall
from demo.reference.source import connect
from demo.reference.totals import compute_months, compute_totals

__all__ = [
    "Campaign",
    "CampaignSums",
    "Lifecycle",
    "Month",
    "Recall",
    "Reference",
    "StageCounts",
    "Totals",
    "compute",
]


def compute() -> Reference:
    """All reference figures of the replay, computed anew from the installed package."""
    with connect() as db:
        totals, months = compute_totals(db), compute_months(db)
        campaigns, sums = compute_campaigns(db)
        lifecycle = compute_lifecycle(db)
        return Reference(totals, months, campaigns, sums, lifecycle, compute_recall(db))
