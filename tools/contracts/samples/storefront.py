"""What the shop tells of Anna."""

from datetime import datetime
from typing import Any

from shared.events import storefront as f
from tools.contracts.samples import story


def _told(event_id: str, at: datetime, data: Any) -> dict[str, Any]:
    """The envelope of what a storefront tells."""
    return {"id": event_id, "source": f"shop/{story.SHOP}", "time": at, "data": data}


def _order(total: int, *coupons: str) -> f.Order:
    return f.Order(
        person=story.PERSON,
        shop_id=story.SHOP,
        order_id=story.SECOND,
        total=total,
        currency="CNY",
        coupons=list(coupons),
        channel="mini-program",
    )


EVENTS = (
    f.StorefrontOrderPlaced(**_told(f"{story.SECOND}/placed", story.PLACED, _order(9_900))),
    f.StorefrontOrderCompleted(
        **_told(f"{story.SECOND}/paid", story.PAID, _order(8_900, story.CODE)),
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    f.StorefrontOrderUpdated(**_told(f"{story.SECOND}/updated", story.UPDATED, _order(8_900, story.CODE))),
    f.StorefrontOrderRefunded(
        **_told(
            "RF-260205-0009",
            story.FIRST_REFUNDED,
            f.Refund(
                person=story.PERSON, shop_id=story.SHOP, order_id=story.FIRST, refund_id="RF-260205-0009", amount=3_900
            ),
        )
    ),
    f.StorefrontOrderCancelled(
        **_told(
            f"{story.SECOND}/cancelled",
            story.CANCELLED,
            f.OrderReference(person=story.PERSON, shop_id=story.SHOP, order_id=story.SECOND),
        )
    ),
    f.StorefrontVisitRecorded(
        **_told(
            "7c1f0a0e-5d8e-4c3b-9a53-0a2b6f0e51d7",
            story.VISITED,
            f.Visit(
                person=f.Person(source_id="10482", anonymous_id="c2f9b1d4-6a0f-4f5e-8b7d-1f6f0c9a2e35"),
                shop_id=story.SHOP,
                name="Product Viewed",
                channel="mini-program",
            ),
        )
    ),
    f.StorefrontCustomerIdentified(
        **_told(
            "member-10482/joined", story.JOINED, f.Identification(person=story.PERSON, shop_id=story.SHOP, member=True)
        )
    ),
)
