"""Segments as far as ticks need them, and what made a customer come in or go out. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.segmentation.domain.rules import Rule


class Status(StrEnum):
    """A segment is filled before it is active; when deleted, its members leave first."""

    FILLING = "filling"
    ACTIVE = "active"
    LEAVING = "leaving"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class Segment:
    segment_id: str
    version: int
    status: Status
    filled_up_to: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Flip:
    """A customer who came into a segment (`inside`) or went out of it."""

    customer_id: str
    segment_id: str
    inside: bool
    backfilled: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """Whether the rule held at an instant, seen with the facts of now."""

    at: datetime
    inside: bool


def turned_at(moments: Sequence[Moment], inside: bool) -> datetime | None:
    """Since when it has been `inside` without a break, or None if since the first moment: then time did not turn it."""
    began: datetime | None = None
    for moment in reversed(moments[1:]):
        if moment.inside != inside:
            return began
        began = moment.at
    return None if moments[0].inside == inside else began
