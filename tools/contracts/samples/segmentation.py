"""What segmentation tells of Anna: silent, and back."""

from datetime import datetime
from typing import Any

from shared.events import segmentation as s
from tools.contracts.samples import story


def _membership(verb: str, caused_at: datetime, decided_at: datetime) -> dict[str, Any]:
    data = s.Membership(
        segment_id=story.SEGMENT, segment_version=1, customer_id=story.ANNA, caused_at=caused_at, decided_at=decided_at
    )
    return story.of(
        "segmentation", f"{story.SEGMENT}:{story.ANNA}:{verb}:{story.version_of(decided_at)}", caused_at, data
    )


EVENTS = (
    s.LifecycleStageChanged(
        **story.of(
            "segmentation",
            f"{story.STAGE_CHANGE}:{story.version_of(story.TICK)}",
            story.SILENT,
            s.StageChange(
                change_id=story.STAGE_CHANGE,
                customer_id=story.ANNA,
                model="default",
                model_version=1,
                caused_at=story.SILENT,
                decided_at=story.TICK,
                current=True,
                from_stage="new",
                to_stage="silent",
            ),
        )
    ),
    s.SegmentEntered(**_membership("entered", story.SILENT, story.TICK)),
    s.SegmentLeft(**_membership("left", story.PAID, story.PAID_TICK)),
)
