"""WHO a campaign addresses and WHEN it does, as callers write it and get it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, FailFast, Field, PlainValidator, TypeAdapter
from pydantic_core import PydanticCustomError

from services.targeting.domain import Audience, Campaign, Kind
from shared.http.fields import Instant, Model, Text

LIST_SIZE = 1_000_000
Stage = Literal["potential", "new", "rising", "mature", "declining", "silent", "churned"]
SegmentId = Annotated[Text, Field(max_length=128)]
SourceIds = Annotated[list[Text], FailFast(), Field(min_length=1, max_length=LIST_SIZE)]


class SegmentAudience(Model):
    """The members of a segment."""

    kind: Literal["segment"]
    segment_id: SegmentId


class StageAudience(Model):
    """The customers in a lifecycle stage."""

    kind: Literal["stage"]
    stage: Stage


class ListAudience(Model):
    """The customers whom a platform knows by these ids; one that is named twice is in it once."""

    kind: Literal["list"]
    platform: Text = "web"
    source_ids: SourceIds

    @property
    def distinct(self) -> list[str]:
        return list(dict.fromkeys(self.source_ids))


class ScheduledTrigger(Model):
    """Once, for the whole audience: at `at`, or else when the campaign starts."""

    kind: Literal["scheduled"]
    at: Instant | None = None


class EnteredTrigger(Model):
    """Whenever a customer enters the segment or stage."""

    kind: Literal["entered"]


def _by_kind(models: dict[str, type[Model]]) -> Callable[[Any], Any]:
    """Picks the model by `kind` alone: the errors of a tagged union would name the tag in their pointers."""
    adapters = {kind: TypeAdapter(model) for kind, model in models.items()}

    def pick(value: Any) -> Any:
        kind: Any = value.get("kind") if isinstance(value, dict) else None  # pyright: ignore
        if not isinstance(kind, str) or kind not in adapters:
            kinds = " or ".join(adapters)
            raise PydanticCustomError("kind_unknown", "an object whose `kind` is {kinds}", {"kinds": kinds})
        return adapters[kind].validate_python(value)

    return pick


AnyAudience = SegmentAudience | StageAudience | ListAudience
AnyTrigger = ScheduledTrigger | EnteredTrigger
AudienceBody = Annotated[
    AnyAudience,
    PlainValidator(
        _by_kind({"segment": SegmentAudience, "stage": StageAudience, "list": ListAudience}),
        json_schema_input_type=AnyAudience,
    ),
]
TriggerBody = Annotated[
    AnyTrigger,
    PlainValidator(
        _by_kind({"scheduled": ScheduledTrigger, "entered": EnteredTrigger}), json_schema_input_type=AnyTrigger
    ),
]


def audience_of(audience: AnyAudience) -> Audience:
    match audience:
        case SegmentAudience():
            return Audience(Kind.SEGMENT, name=audience.segment_id)
        case StageAudience():
            return Audience(Kind.STAGE, name=audience.stage)
        case ListAudience():
            return Audience(Kind.LIST, platform=audience.platform, size=len(audience.distinct))


class ListAnswer(BaseModel):
    """An explicit list: how many ids it has."""

    kind: Literal["list"] = "list"
    platform: str
    size: int


def audience_answer(audience: Audience) -> SegmentAudience | StageAudience | ListAnswer:
    name: Any = audience.name
    match audience.kind:
        case Kind.SEGMENT:
            return SegmentAudience(kind="segment", segment_id=name)
        case Kind.STAGE:
            return StageAudience(kind="stage", stage=name)
        case Kind.LIST:
            return ListAnswer(platform=audience.platform or "", size=audience.size or 0)


def trigger_answer(campaign: Campaign) -> AnyTrigger:
    at = campaign.fires_at
    return EnteredTrigger(kind="entered") if at is None else ScheduledTrigger(kind="scheduled", at=at)
