"""What metrics can refuse."""

from shared.errors import Invalid, NotFound


class CampaignNotFound(NotFound):
    code = "campaign-not-found"


class ZoneUnknown(Invalid):
    code = "zone-unknown"


class RangeInvalid(Invalid):
    code = "range-invalid"
