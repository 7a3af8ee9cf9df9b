"""What targeting tells: campaigns, and at ticks its decisions. Listened to by coupons and metrics."""

from typing import Annotated, Literal

from msgspec import Meta

from shared.events.envelope import Count, Data, Event, Instant, Text, Version

Arm = Literal["treated", "held_out", "suppressed"]


class Campaign(Data, frozen=True, kw_only=True):
    """A campaign as of `version`; the highest version wins."""

    campaign_id: Text
    version: Version
    name: str
    goal: Text
    business_line: Text
    status: Text
    channel: Text
    template_id: Text
    attribution_days: Annotated[int, Meta(ge=1, le=366)]
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class Offer(Data, frozen=True, kw_only=True):
    """All that issuing needs to know of the campaign, frozen with the decision."""

    template_id: Text
    channel: Text
    goal: Text
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
    attribution_days: Annotated[int, Meta(ge=1, le=366)]
    anti_harassment: bool
    limit_per_customer: Count | None = None


class Decision(Data, frozen=True, kw_only=True):
    """What was decided for one (campaign, customer, cause) at the tick `decided_at`, and what was known then."""

    decision_id: Text
    campaign_id: Text
    campaign_version: Version
    customer_id: Text
    arm: Arm
    reasons: list[Text]
    cause: Text
    caused_at: Instant
    decided_at: Instant
    offer: Offer
    stage: Text | None = None
    stage_since: Instant | None = None
    rule_versions: dict[str, int] = {}


class CampaignUpdated(Event, frozen=True, kw_only=True, tag="com.comeback.campaign.updated.v1"):
    """A campaign was made, changed, started, paused or stopped; this is all of it."""

    data: Campaign


class DecisionMade(Event, frozen=True, kw_only=True, tag="com.comeback.decision.made.v1"):
    """It was decided whether a customer gets a campaign's offer."""

    data: Decision


EVENTS: tuple[type[Event], ...] = (CampaignUpdated, DecisionMade)
