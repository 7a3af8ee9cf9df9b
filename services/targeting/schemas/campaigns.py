"""Campaigns as callers write them and get them. Their fields answer TG1's seven questions, 5W2H."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.targeting.domain import Campaign, Status, Trigger
from services.targeting.schemas.audiences import (
    AnyTrigger,
    AudienceBody,
    ListAnswer,
    ListAudience,
    ScheduledTrigger,
    SegmentAudience,
    StageAudience,
    TriggerBody,
    audience_answer,
    audience_of,
    trigger_answer,
)
from shared.http.fields import Instant, Model, Text

Goal = Literal["recall", "activation", "retention", "first_order", "acquisition", "revenue", "spread"]
Holdout = Annotated[float, Field(ge=0, le=1, description="HOW: share that is not treated, so that the lift shows")]
Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="HOW: the higher comes first")]
AttributionDays = Annotated[int, Field(ge=1, le=366, description="HOW: orders within so many days count for it")]
CauseAge = Annotated[int, Field(ge=1, le=8784, description="HOW: what happened longer ago triggers nothing")]
AntiHarassment = Annotated[Literal["on", "off"], Field(description="HOW: whether AH1 and AH2 may refuse its coupons")]
PerCustomer = Annotated[int, Field(ge=1, le=1_000_000)]
Roi = Annotated[float, Field(ge=-1e9, le=1e9)]
_PER_CUSTOMER = "HOW: at most so many of its coupons for one customer (CP8)"
_ROI = "HOW MUCH: the return on investment that is hoped for; it decides nothing"

_EXAMPLE: Any = {
    "name": "Recall the silent",
    "template_id": "tpl_3k8fz0q6m1v9x2c7b4n5d0ha",
    "goal": "recall",
    "audience": {"kind": "stage", "stage": "silent"},
    "starts_at": "2026-11-01T00:00:00Z",
    "ends_at": None,
    "trigger": {"kind": "entered"},
    "channel": "push",
    "business_line": "grocery",
    "holdout": 0.1,
    "attribution_days": 14,
    "anti_harassment": "on",
    "expected_roi": 2.5,
}


class CampaignBody(Model):
    """A campaign. It decides during `[starts_at, ends_at)`; without an end it runs until it is stopped."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Text
    template_id: Text = Field(description="WHAT: a coupon template")
    goal: Goal = Field(description="WHY: the purpose by which it is judged (TG2)")
    audience: AudienceBody = Field(description="WHO")
    starts_at: Instant = Field(description="WHEN")
    ends_at: Instant | None = Field(default=None, description="WHEN")
    trigger: TriggerBody = Field(description="WHEN")
    channel: Text = Field(description="WHERE: the code of the channel, on each of its coupons")
    business_line: Text = Field(description="WHERE: one campaign at a time for a segment or stage (TG11)")
    holdout: Holdout = 0.1
    priority: Priority = 0
    attribution_days: AttributionDays = 14
    max_cause_age_hours: CauseAge = 48
    anti_harassment: AntiHarassment = "on"
    limit_per_customer: PerCustomer | None = Field(default=None, description=_PER_CUSTOMER)
    expected_roi: Roi | None = Field(default=None, description=_ROI)

    def campaign(self, campaign_id: str, now: datetime) -> Campaign:
        fields = _fields(self, set(type(self).model_fields))
        return Campaign(campaign_id=campaign_id, created_at=now, **fields)


def _absent() -> Any:
    """What was not named is not looked at, so it needs no value of its type."""


class CampaignChange(Model):
    """What is named changes, what is absent stays. Once a campaign was started it changes only its `name`, `ends_at`,
    `priority`, `max_cause_age_hours`, `anti_harassment`, `limit_per_customer` and `expected_roi`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ends_at": "2026-12-01T00:00:00Z"}]})

    name: Text = Field(default_factory=_absent)
    template_id: Text = Field(default_factory=_absent)
    goal: Goal = Field(default_factory=_absent)
    audience: AudienceBody = Field(default_factory=_absent)
    starts_at: Instant = Field(default_factory=_absent)
    ends_at: Instant | None = None
    trigger: TriggerBody = Field(default_factory=_absent)
    channel: Text = Field(default_factory=_absent)
    business_line: Text = Field(default_factory=_absent)
    holdout: Holdout = Field(default_factory=_absent)
    priority: Priority = Field(default_factory=_absent)
    attribution_days: AttributionDays = Field(default_factory=_absent)
    max_cause_age_hours: CauseAge = Field(default_factory=_absent)
    anti_harassment: AntiHarassment = Field(default_factory=_absent)
    limit_per_customer: PerCustomer | None = Field(default=None, description=_PER_CUSTOMER)
    expected_roi: Roi | None = Field(default=None, description=_ROI)

    def changes(self) -> dict[str, Any]:
        """The campaign's fields that are named, with their new values."""
        return _fields(self, self.model_fields_set)


def list_of(body: CampaignBody | CampaignChange) -> list[str]:
    """The ids of an explicit list, each once, in the order given; none for other audiences."""
    return body.audience.distinct if isinstance(body.audience, ListAudience) else []


def _fields(body: CampaignBody | CampaignChange, names: set[str]) -> dict[str, Any]:
    """The named fields in the domain's words."""
    fields = {name: getattr(body, name) for name in names}
    if "audience" in fields:
        fields["audience"] = audience_of(body.audience)
    if "trigger" in fields:
        at = body.trigger.at if isinstance(body.trigger, ScheduledTrigger) else None
        fields |= {"trigger": Trigger(body.trigger.kind), "trigger_at": at}
    if "anti_harassment" in fields:
        fields["anti_harassment"] = body.anti_harassment == "on"
    return fields


class CampaignAnswer(BaseModel):
    """A campaign as of `version`; a scheduled one has `fired_at` once its whole audience is decided."""

    campaign_id: str
    version: int
    status: Status
    name: str
    template_id: str
    goal: Goal
    audience: SegmentAudience | StageAudience | ListAnswer
    starts_at: datetime
    ends_at: datetime | None
    trigger: AnyTrigger
    channel: str
    business_line: str
    holdout: float
    priority: int
    attribution_days: int
    max_cause_age_hours: int
    anti_harassment: Literal["on", "off"]
    limit_per_customer: int | None
    expected_roi: float | None
    created_at: datetime
    fired_at: datetime | None

    @classmethod
    def of(cls, campaign: Campaign) -> "CampaignAnswer":
        told: dict[str, Any] = {
            "audience": audience_answer(campaign.audience),
            "trigger": trigger_answer(campaign),
            "anti_harassment": "on" if campaign.anti_harassment else "off",
        }
        same = {name: getattr(campaign, name) for name in cls.model_fields if name not in told}
        return cls(**same, **told)
