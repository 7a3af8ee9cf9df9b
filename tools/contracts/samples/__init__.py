"""One believable event of each type: the examples of the contracts. Together they tell one story."""

from shared import topics
from shared.events import ClockTicked, Event, Tick
from tools.contracts.samples import coupons, profile, segmentation, storefront, targeting
from tools.contracts.samples.story import TICK

_TICKED = ClockTicked(
    id=f"tick-{TICK.isoformat()}",
    source=topics.SEGMENTATION,
    time=TICK,
    data=Tick(at=TICK, partitions=topics.DEFAULT_PARTITIONS),
)

SAMPLES: dict[type[Event], Event] = {
    type(event): event
    for event in (
        *storefront.EVENTS,
        *profile.EVENTS,
        *segmentation.EVENTS,
        *targeting.EVENTS,
        *coupons.EVENTS,
        _TICKED,
    )
}
