"""What targeting can refuse."""

from shared.errors import Conflict, Invalid, NotFound


class CampaignNotFound(NotFound):
    code = "campaign-not-found"


class DecisionNotFound(NotFound):
    code = "decision-not-found"


class CustomerNotFound(NotFound):
    code = "customer-not-found"


class EndsBeforeStart(Invalid):
    """A campaign's window `[starts_at, ends_at)` would be empty."""

    code = "ends-before-start"


class TriggerOutsideWindow(Invalid):
    code = "trigger-outside-window"


class ListCannotBeEntered(Invalid):
    """Nobody enters an explicit list: it can only be scheduled."""

    code = "list-cannot-be-entered"


class CampaignNotDraft(Conflict):
    """Only a draft may be changed in what its decisions would then contradict, or be deleted."""

    code = "campaign-not-draft"


class CampaignNotStartable(Conflict):
    code = "campaign-not-startable"


class CampaignNotActive(Conflict):
    code = "campaign-not-active"


class CampaignNotRunning(Conflict):
    code = "campaign-not-running"


class CampaignOver(Conflict):
    """It was stopped or its time is over: it can neither run again nor change."""

    code = "campaign-over"


class CampaignOverlaps(Conflict):
    """TG11: one business line, one segment or stage, one instant, one campaign."""

    code = "campaign-overlaps"


# What may be wrong with a plan as such.
PLAN_REFUSALS = (EndsBeforeStart, TriggerOutsideWindow, ListCannotBeEntered)
