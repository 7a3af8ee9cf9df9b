"""What callers of segmentation's HTTP API send and get."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from services.segmentation.domain import Stage
from shared.http.fields import Instant, Model, Text

Rule = Annotated[
    dict[str, Any],
    Field(
        description='`{"all": […]}`, `{"any": […]}`, `{"not": …}`, or a comparison `{"field", "op", "value"}`, '
        'for money with a `"currency"`',
        examples=[
            {
                "all": [
                    {"field": "stage", "op": "in", "value": ["silent", "churned"]},
                    {"field": "average_order_value", "op": "gte", "value": 3000, "currency": "USD"},
                    {"not": {"field": "last_visit_at", "op": "within_days", "value": 14}},
                ]
            }
        ],
    ),
]


class SegmentBody(Model):
    name: Text
    rule: Rule


class SegmentChange(Model):
    """What is absent stays as it is."""

    name: Text = ""
    rule: Rule = Field(default_factory=dict)


class PreviewBody(Model):
    rule: Rule
    at: Instant | None = Field(
        None, description="an instant of the past, by what was the case then; the service's clock, unless told"
    )


class Progress(BaseModel):
    """How many of the customers have been looked at by this version of the rule."""

    done: int
    total: int


class SegmentAnswer(BaseModel):
    segment_id: str
    version: int = Field(description="counts the changes of the rule")
    name: str
    rule: dict[str, Any]
    status: Literal["filling", "active"] = Field(description="`filling` until all customers have been looked at")
    progress: Progress
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Any) -> "SegmentAnswer":
        done = row["filled"]
        return cls(
            segment_id=row["segment_id"],
            version=row["version"],
            name=row["name"],
            rule=json.loads(row["rule_text"]),
            status=row["status"],
            # Customers who came meanwhile are looked at too.
            progress=Progress(done=done, total=done if row["status"] == "active" else max(done, row["to_fill"])),
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )


class SampleAnswer(BaseModel):
    """A customer for whom a rule holds, with the facts that rules can ask for."""

    customer_id: str
    platform: str
    source_id: str | None
    stage: Stage | None
    stage_since: datetime | None
    reacquired: bool
    is_member: bool | None = Field(description="null as of the past")
    orders: int
    spend: dict[str, Any] | None = Field(description="by currency; null as of the past")
    visits: int | None = Field(description="null as of the past")
    first_order_at: datetime | None
    last_order_at: datetime | None
    first_visit_at: datetime | None
    last_visit_at: datetime | None

    @classmethod
    def of(cls, row: Any) -> "SampleAnswer":
        facts: dict[str, Any] = dict(row)
        facts |= {"reacquired": row["reacquired"] or False}
        return cls(**{name: facts[name] for name in cls.model_fields})


class PreviewAnswer(BaseModel):
    count: int
    samples: list[SampleAnswer] = Field(description="up to 10 of them")


class MemberAnswer(BaseModel):
    customer_id: str
    source_id: str | None
    since: datetime
    segment_version: int = Field(description="the version of the rule by which they came in")


class MembershipAnswer(BaseModel):
    segment_id: str
    name: str
    since: datetime
    segment_version: int


class StageAnswer(BaseModel):
    """A stage held during `[since, until)`; `until` is null for the one that holds."""

    stage: Stage
    since: datetime
    until: datetime | None
    from_stage: Stage | None
    reacquired: bool = Field(description="by this step a churned customer came back")
    model_version: int


class CountsAnswer(BaseModel):
    at: datetime
    counts: dict[Stage, int]


class TransitionAnswer(BaseModel):
    from_stage: Stage | None = Field(serialization_alias="from")
    to_stage: Stage = Field(serialization_alias="to")
    count: int


class TransitionsAnswer(BaseModel):
    """Steps in `[from, to)`; `from` is null for a customer's first stage."""

    data: list[TransitionAnswer]


# What each field looks like in the examples of the OpenAPI document: Anna, who fell silent.
EXAMPLES: dict[str, Any] = {
    "segment_id": "seg_2k7vace58xgk13219y0rq6wm",
    "version": 1,
    "name": "silent regulars",
    "SegmentAnswer.rule": {"field": "stage", "op": "in", "value": ["silent", "churned"]},
    "status": "active",
    "done": 2500,
    "total": 2500,
    "created_at": "2026-03-01T08:00:00Z",
    "updated_at": "2026-03-01T08:00:00Z",
    "customer_id": "cus_ay1gr23twwdyjz0qgb8wrxvn",
    "platform": "web",
    "source_id": "10482",
    "stage": "silent",
    "stage_since": "2026-03-05T10:23:02Z",
    "reacquired": False,
    "is_member": True,
    "orders": 1,
    "spend": {"CNY": {"orders": 1, "paid_amount": 6500}},
    "visits": 5,
    "first_order_at": "2026-02-03T10:23:02Z",
    "last_order_at": "2026-02-03T10:23:02Z",
    "first_visit_at": "2026-02-03T10:12:41Z",
    "last_visit_at": "2026-03-01T19:20:00Z",
    "count": 412,
    "since": "2026-03-05T10:23:02Z",
    "until": None,
    "segment_version": 1,
    "from_stage": "mature",
    "model_version": 1,
    "counts": dict.fromkeys(Stage, 120),
    "from": "mature",
    "to": "silent",
}
