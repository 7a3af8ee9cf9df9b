"""Decisions as callers get them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.targeting.domain import Arm


class DecisionAnswer(BaseModel):
    """What was decided for one (campaign, customer, cause) at the tick `decided_at`, and what became of it."""

    decision_id: str
    campaign_id: str
    campaign_version: int
    customer_id: str
    arm: Arm
    reasons: list[str] = Field(examples=[["cause-gone"]])
    cause: str = Field(examples=["stage:silent@2026-11-01T09:30:00Z"])
    caused_at: datetime
    decided_at: datetime
    stage: str | None = Field(description="the lifecycle stage as of the tick, for ever")
    stage_since: datetime | None
    rule_versions: dict[str, int]
    outcome: Literal["issued", "withheld", "refused"] | None = Field(description="what coupons answered")
    outcome_code: str | None = Field(description="why coupons refused")
    outcome_at: datetime | None
    coupon_id: str | None
    coupon_code: str | None

    @classmethod
    def of(cls, row: Any) -> "DecisionAnswer":
        return cls(**row)
