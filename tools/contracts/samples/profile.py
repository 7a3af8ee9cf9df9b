"""What profile tells of Anna."""

from datetime import datetime, timedelta
from typing import Any

from shared.events import profile as p
from tools.contracts.samples import story


def _state(order_id: str, told_at: datetime, **more: Any) -> dict[str, Any]:
    """The envelope of an order as profile tells it."""
    key, version = story.ids.derive("ord", story.SHOP, order_id), story.version_of(told_at)
    data = p.OrderState(
        order_key=key,
        version=version,
        customer_id=story.ANNA,
        shop_id=story.SHOP,
        order_id=order_id,
        currency="CNY",
        channel="mini-program",
        **more,
    )
    return story.of("profile", f"{key}:{version}", told_at, data)


_TOLD_PAID = story.PAID + timedelta(microseconds=31_204)
EVENTS = (
    p.ProfileUpdated(
        **story.of(
            "profile",
            f"{story.ANNA}:{story.version_of(_TOLD_PAID)}",
            _TOLD_PAID,
            p.Profile(
                customer_id=story.ANNA,
                version=story.version_of(_TOLD_PAID),
                platform="web",
                source_id="10482",
                member=True,
                orders=2,
                spend=[p.Spend(currency="CNY", orders=2, paid_amount=15_800 - 3_900 + 8_900)],
                first_order_at=story.FIRST_PAID,
                last_order_at=story.PAID,
                first_visit_at=story.at("02-03T10:15:09"),
                last_visit_at=story.PLACED,
                visits=4,
            ),
        )
    ),
    p.OrderPaid(
        **_state(
            story.SECOND,
            _TOLD_PAID,
            amount=8_900,
            refunded_amount=0,
            counted=True,
            paid_at=story.PAID,
            coupons=[story.CODE],
        )
    ),
    p.OrderRefunded(
        **_state(
            story.FIRST,
            story.FIRST_REFUNDED + timedelta(microseconds=18_530),
            amount=15_800,
            refunded_amount=3_900,
            counted=True,
            paid_at=story.FIRST_PAID,
        )
    ),
    p.OrderCancelled(
        **_state(
            story.SECOND,
            story.CANCELLED + timedelta(microseconds=22_917),
            amount=8_900,
            refunded_amount=8_900,
            counted=False,
            paid_at=story.PAID,
            cancelled_at=story.CANCELLED,
            coupons=[story.CODE],
        )
    ),
    p.VisitsRecorded(
        **story.of(
            "profile",
            "vst_2d7f5k0q8w3m9c1x6v4b2n7z",
            story.VISITED,
            p.Visits(
                visits=[
                    p.VisitFact(
                        visit_id="vis_7c1f0a0e5d8e4c3b9a530a2b",
                        customer_id=story.ANNA,
                        shop_id=story.SHOP,
                        visited_at=story.VISITED,
                    )
                ]
            ),
        )
    ),
)
