"""What callers of metrics' HTTP API get."""

from services.metrics.schemas.campaigns import CampaignLineAnswer, CampaignMetricsAnswer, ChannelAnswer
from services.metrics.schemas.totals import (
    DefinitionAnswer,
    OverviewAnswer,
    PeriodAnswer,
    SalesAnswer,
    StagesAnswer,
)

__all__ = [
    "CampaignLineAnswer",
    "CampaignMetricsAnswer",
    "ChannelAnswer",
    "DefinitionAnswer",
    "OverviewAnswer",
    "PeriodAnswer",
    "SalesAnswer",
    "StagesAnswer",
]
