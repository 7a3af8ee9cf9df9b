"""Visits and identifications."""

from collections.abc import Sequence

from services.profile import repository
from services.profile.actions.changes import change_of, customer_of
from services.profile.repository import Visit
from shared import outbox
from shared.database import Session
from shared.events.profile import VisitFact, VisitRecorded
from shared.events.storefront import Order, StorefrontCustomerIdentified, StorefrontOrderPlaced, StorefrontVisitRecorded
from shared.ids import Ids


async def record_visits(session: Session, events: Sequence[StorefrontVisitRecorded | StorefrontOrderPlaced]) -> None:
    """Each visit is known and told once; an order that is not paid yet is a visit too. Visits of nobody are dropped."""
    ids: Ids = session.info["ids"]
    visits = [
        Visit(ids.derive("vis", _kind(event), event.id), customer_id, event.data.shop_id, event.time)
        for event in events
        if (customer_id := customer_of(session, event.data.person)) is not None
    ]
    added = await repository.add_visits(session, visits) if visits else []
    for visit in added:
        change_of(session, visit.customer_id).add_visit(visit.visited_at)
    tell_visits(session, added)


def _kind(event: StorefrontVisitRecorded | StorefrontOrderPlaced) -> str:
    return "order" if isinstance(event.data, Order) else "visit"


def tell_visits(session: Session, visits: Sequence[Visit]) -> None:
    outbox.emit(session, [(visit.customer_id, _fact(visit)) for visit in visits])


def _fact(visit: Visit) -> VisitRecorded:
    return VisitRecorded(
        id=visit.visit_id,
        source="profile",
        subject=visit.customer_id,
        time=visit.visited_at,
        data=VisitFact(
            visit_id=visit.visit_id,
            customer_id=visit.customer_id,
            shop_id=visit.shop_id,
            visited_at=visit.visited_at,
        ),
    )


async def identify_customers(session: Session, events: Sequence[StorefrontCustomerIdentified]) -> None:
    """The customers exist; whether each is a member is what was told last."""
    for event in events:
        customer_id = customer_of(session, event.data.person)
        if customer_id is not None and isinstance(event.data.member, bool):
            change_of(session, customer_id).add_member(event.data.member, event.time, event.id)
