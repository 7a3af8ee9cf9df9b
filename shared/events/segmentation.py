"""What segmentation tells, at ticks: lifecycle stages and segment memberships. Listened to by targeting and metrics."""

from shared.events.envelope import Count, Data, Event, Instant, Text


class StageChange(Data, frozen=True, kw_only=True):
    """One step of a customer's lifecycle.

    `caused_at` is the exact instant of the step, `decided_at` the tick that noticed it. `current` marks the stage
    that holds at that tick; `corrects_past` a step that a late event put into the past, which triggers nothing.
    """

    change_id: Text
    customer_id: Text
    model: Text
    model_version: Count
    caused_at: Instant
    decided_at: Instant
    current: bool
    corrects_past: bool = False
    reacquired: bool = False
    from_stage: Text | None = None
    to_stage: Text | None = None


class Membership(Data, frozen=True, kw_only=True):
    """A customer came into or went out of a segment; `backfilled` when a new or changed rule found them there."""

    segment_id: Text
    segment_version: Count
    customer_id: Text
    caused_at: Instant
    decided_at: Instant
    backfilled: bool = False


class LifecycleStageChanged(Event, frozen=True, kw_only=True, tag="com.comeback.lifecycle.stage_changed.v1"):
    """A customer's lifecycle stage changed."""

    data: StageChange


class SegmentEntered(Event, frozen=True, kw_only=True, tag="com.comeback.segment.entered.v1"):
    """A customer now belongs to a segment."""

    data: Membership


class SegmentLeft(Event, frozen=True, kw_only=True, tag="com.comeback.segment.left.v1"):
    """A customer no longer belongs to a segment."""

    data: Membership


EVENTS: tuple[type[Event], ...] = (LifecycleStageChanged, SegmentEntered, SegmentLeft)
