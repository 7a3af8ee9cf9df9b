"""Targeting's rules: what a campaign is, what it may become, whom it reaches. Pure; rows TG1-TG5, TG11, TG12."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from services.targeting.errors import (
    CampaignNotActive,
    CampaignNotDraft,
    CampaignNotRunning,
    CampaignNotStartable,
    CampaignOver,
    EndsBeforeStart,
    ListCannotBeEntered,
    TriggerOutsideWindow,
)


class Status(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"
    # Only ever told, of a draft that is gone.
    DELETED = "deleted"


class Kind(StrEnum):
    """What an audience is made of."""

    SEGMENT = "segment"
    STAGE = "stage"
    LIST = "list"


class Trigger(StrEnum):
    SCHEDULED = "scheduled"
    ENTERED = "entered"


class Arm(StrEnum):
    TREATED = "treated"
    HELD_OUT = "held_out"
    SUPPRESSED = "suppressed"


class Reason(StrEnum):
    """Why a decision is not simply `treated`."""

    HOLDOUT = "holdout"
    CAUSE_GONE = "cause-gone"
    CUSTOMER_UNKNOWN = "customer-unknown"


@dataclass(frozen=True, slots=True)
class Audience:
    """WHO: the members of a segment or stage (`name` says which), or a list of `size` ids of one platform."""

    kind: Kind
    name: str | None = None
    platform: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as of `version`; its fields are TG1's 5W2H, one after another."""

    campaign_id: str
    name: str
    template_id: str
    goal: str
    audience: Audience
    starts_at: datetime
    trigger: Trigger
    channel: str
    business_line: str
    created_at: datetime
    holdout: float
    priority: int
    attribution_days: int
    max_cause_age_hours: int
    anti_harassment: bool
    limit_per_customer: int | None = None
    expected_roi: float | None = None
    ends_at: datetime | None = None
    trigger_at: datetime | None = None
    status: Status = Status.DRAFT
    version: int = 0
    # How far a scheduled campaign has come through its audience, and the tick that finished it.
    fired_through: str | None = None
    fired_at: datetime | None = None

    @property
    def fires_at(self) -> datetime | None:
        """The instant of a scheduled campaign; None for one that waits for customers to enter."""
        return (self.trigger_at or self.starts_at) if self.trigger is Trigger.SCHEDULED else None


def check(campaign: Campaign) -> None:
    """Raises unless window, trigger and audience fit together."""
    if campaign.ends_at is not None and campaign.ends_at <= campaign.starts_at:
        raise EndsBeforeStart("a campaign ends after it starts", pointer="/ends_at")
    if campaign.trigger is Trigger.ENTERED and campaign.audience.kind is Kind.LIST:
        raise ListCannotBeEntered("nobody enters a list; schedule it instead", pointer="/trigger/kind")
    fires_at = campaign.fires_at
    if fires_at is not None and not _contains(campaign, fires_at):
        raise TriggerOutsideWindow("it fires between its start and its end", pointer="/trigger/at")


def _contains(campaign: Campaign, at: datetime) -> bool:
    return campaign.starts_at <= at and (campaign.ends_at is None or at < campaign.ends_at)


_OVER = (Status.STOPPED, Status.ENDED)
# What a campaign that was started may still change: nothing that would make its arms or its window another's.
CHANGEABLE = frozenset(
    {
        "name",
        "ends_at",
        "priority",
        "max_cause_age_hours",
        "anti_harassment",
        "limit_per_customer",
        "expected_roi",
    }
)


def check_change(campaign: Campaign, changed: set[str]) -> None:
    """Raises unless these fields of the campaign may be changed now."""
    if campaign.status in _OVER:
        raise CampaignOver(f"the campaign is {campaign.status}")
    fixed = sorted(changed - CHANGEABLE)
    if campaign.status is not Status.DRAFT and fixed:
        raise CampaignNotDraft(f"only a draft can change its {', '.join(fixed)}; this campaign is {campaign.status}")


def check_delete(campaign: Campaign) -> None:
    if campaign.status is not Status.DRAFT:
        raise CampaignNotDraft(f"only a draft can be deleted; this campaign is {campaign.status}: stop it instead")


def check_start(campaign: Campaign, now: datetime) -> None:
    if campaign.status not in (Status.DRAFT, Status.PAUSED):
        raise CampaignNotStartable(f"only a draft or a paused campaign starts; this one is {campaign.status}")
    if campaign.ends_at is not None and campaign.ends_at <= now:
        raise CampaignOver(f"the campaign's end, {campaign.ends_at.isoformat()}, is over")


def check_pause(campaign: Campaign) -> None:
    if campaign.status is not Status.ACTIVE:
        raise CampaignNotActive(f"only an active campaign can be paused; this one is {campaign.status}")


def check_stop(campaign: Campaign) -> None:
    if campaign.status not in (Status.ACTIVE, Status.PAUSED):
        raise CampaignNotRunning(f"only an active or paused campaign can be stopped; this one is {campaign.status}")


class Cause(NamedTuple):
    """A customer came into a stage or segment (`name`) at `caused_at`, by version `rule_version` of its rule."""

    kind: Kind
    name: str
    customer_id: str
    caused_at: datetime
    decided_at: datetime
    rule_version: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}@{written(self.caused_at)}"


@dataclass(frozen=True, slots=True)
class Known:
    """A customer as of the tick: the stage and since when, by which version of the lifecycle model."""

    stage: str | None = None
    stage_since: datetime | None = None
    stage_version: int | None = None


NOBODY = Known()


@dataclass(frozen=True, slots=True)
class Case:
    """A customer whom a cause puts before a campaign: what is known of them, and what forbids an offer, if anything."""

    customer_id: str
    cause: str
    caused_at: datetime
    known: Known
    suppressed: Reason | None = None
    segment_version: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one (campaign, customer, cause) at a tick."""

    decision_id: str
    campaign_id: str
    campaign_version: int
    customer_id: str
    arm: Arm
    reasons: list[Reason]
    cause: str
    caused_at: datetime
    decided_at: datetime
    stage: str | None
    stage_since: datetime | None
    rule_versions: dict[str, int]


def written(at: datetime) -> str:
    """An instant as it stands in a cause: always the same text for the same instant."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def triggers(campaign: Campaign, cause: Cause, at: datetime, previous: datetime) -> bool:
    """Whether a cause that was told since the previous tick is young enough and inside the campaign's window."""
    return (
        previous < cause.decided_at
        and at - timedelta(hours=campaign.max_cause_age_hours) < cause.caused_at
        and _contains(campaign, cause.caused_at)
    )


def arm_of(share: float, holdout: float, suppressed: Reason | None) -> tuple[Arm, list[Reason]]:
    """The arm and why. `share` is the customer's own number in [0, 1) for this campaign, the same for ever."""
    if suppressed is not None:
        return Arm.SUPPRESSED, [suppressed]
    return (Arm.HELD_OUT, [Reason.HOLDOUT]) if share < holdout else (Arm.TREATED, [])


def decide(decision_id: str, campaign: Campaign, case: Case, share: float, at: datetime) -> Decision:
    """The decision at the tick `at`, with the stage frozen as of it and the versions of the rules it rests on."""
    arm, reasons = arm_of(share, campaign.holdout, case.suppressed)
    versions = {"campaign": campaign.version, "lifecycle": case.known.stage_version, "segment": case.segment_version}
    return Decision(
        decision_id=decision_id,
        campaign_id=campaign.campaign_id,
        campaign_version=campaign.version,
        customer_id=case.customer_id,
        arm=arm,
        reasons=reasons,
        cause=case.cause,
        caused_at=case.caused_at,
        decided_at=at,
        stage=case.known.stage,
        stage_since=case.known.stage_since,
        rule_versions={rule: version for rule, version in versions.items() if version is not None},
    )
