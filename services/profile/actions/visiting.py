"""Visits and identifications."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from services.profile import repository
from services.profile.actions.changes import changes_of
from services.profile.repository import Visit
from shared import outbox
from shared.database import Session
from shared.events.profile import VisitFact, Visits, VisitsRecorded
from shared.events.storefront import StorefrontCustomerIdentified, StorefrontOrderPlaced, StorefrontVisitRecorded
from shared.ids import Ids

# Of several services one listens to visits: the others pass over a record of so many, not over each of them.
_TOLD_TOGETHER = 250


async def record_visits(
    session: Session,
    events: Iterable[StorefrontVisitRecorded | StorefrontOrderPlaced],
    kind: Literal["visit", "order"] = "visit",
) -> None:
    """Each visit is known and told once; an order that is not paid yet is a visit too. Visits of nobody are dropped."""
    changes = changes_of(session)
    visits = [
        Visit(changes.ids.derive("vis", kind, event.id), customer_id, event.data.shop_id, event.time)
        for event in events
        if (customer_id := changes.customer_of(event.data.person)) is not None
    ]
    added = await repository.add_visits(session, visits) if visits else []
    for _, customer_id, _, visited_at in added:
        changes.of(customer_id).add_visit(visited_at)
    tell_visits(session, added)


def tell_visits(session: Session, visits: Sequence[Visit]) -> None:
    """`visits.recorded` tells them, many at once."""
    outbox.emit(session, [(event.id, event) for event in _facts(session.info["ids"], visits)])


def _facts(ids: Ids, visits: Sequence[Visit]) -> Iterator[VisitsRecorded]:
    for start in range(0, len(visits), _TOLD_TOGETHER):
        some = visits[start : start + _TOLD_TOGETHER]
        yield VisitsRecorded(
            # The same visits are the same message; others, however they overlap, are another.
            id=ids.derive("vst", *(visit.visit_id for visit in some)),
            source="profile",
            time=max(visit.visited_at for visit in some),
            data=Visits(
                visits=[
                    VisitFact(visit_id=visit_id, customer_id=customer_id, shop_id=shop_id, visited_at=visited_at)
                    for visit_id, customer_id, shop_id, visited_at in some
                ]
            ),
        )


async def identify_customers(session: Session, events: Iterable[StorefrontCustomerIdentified]) -> None:
    """The customers exist; whether each is a member is what was told last."""
    changes = changes_of(session)
    for event in events:
        customer_id = changes.customer_of(event.data.person)
        if customer_id is not None and isinstance(event.data.member, bool):
            changes.of(customer_id).add_member(event.data.member, event.time, event.id)
