"""What callers of targeting's HTTP API send and get."""

from services.targeting.schemas.campaigns import CampaignAnswer, CampaignBody, CampaignChange, list_of
from services.targeting.schemas.decisions import DecisionAnswer

__all__ = ["CampaignAnswer", "CampaignBody", "CampaignChange", "DecisionAnswer", "list_of"]
