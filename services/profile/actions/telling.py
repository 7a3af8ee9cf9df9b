"""What everybody else hears of a customer: all facts, once for each batch that changed them."""

from collections.abc import Sequence
from typing import Any

from services.profile import repository
from services.profile.actions.changes import changes_of
from services.profile.domain import Change
from shared import outbox, tracing
from shared.clock import instant_of_micros, wall_micros
from shared.database import Session
from shared.events.profile import Profile, ProfileUpdated, Spend


async def tell_profiles(session: Session) -> None:
    """The customers that this batch changed have their new facts, and `profile.updated` tells each of them once."""
    changes = changes_of(session).by_customer
    if not changes:
        return
    if tracing.is_on():
        _follow(changes)
    rows = {row["customer_id"]: row for row in await repository.upsert_customers(session, changes, wall_micros())}
    await repository.upsert_spend(session, changes)
    recount = [customer_id for customer_id, change in changes.items() if change.recount]
    if recount:
        rows |= {row["customer_id"]: row for row in await repository.recount_customers(session, recount)}
    await tell_customers(session, list(rows.values()))


async def tell_customers(session: Session, rows: Sequence[Any]) -> None:
    """`profile.updated` tells all facts of these customers, whose rows are locked."""
    buyers = [row["customer_id"] for row in rows if row["orders"] > 0]
    spend = await repository.get_spend(session, buyers) if buyers else {}
    outbox.emit(session, [(row["customer_id"], _event(row, spend.get(row["customer_id"], []))) for row in rows])


def _follow(changes: dict[str, Change]) -> None:
    # Storefronts key their records by their own id; from here on the customer's id is the key.
    for customer_id, change in changes.items():
        if change.identity is not None:
            tracing.rename(change.identity.identifier, customer_id)


def _spend(row: Any) -> Spend:
    return Spend(currency=row["currency"], orders=row["orders"], paid_amount=row["paid_amount"])


def _event(row: Sequence[Any], spend: list[Any]) -> ProfileUpdated:
    customer_id, version, platform, source_id, anonymous_id, member, orders, visits, *instants = row
    first_order_at, last_order_at, first_visit_at, last_visit_at = instants
    return ProfileUpdated(
        id=f"{customer_id}:{version}",
        source="profile",
        subject=customer_id,
        time=instant_of_micros(version),
        data=Profile(
            customer_id=customer_id,
            version=version,
            platform=platform,
            source_id=source_id,
            anonymous_id=anonymous_id,
            member=member or False,
            orders=orders,
            spend=[_spend(each) for each in spend],
            first_order_at=first_order_at,
            last_order_at=last_order_at,
            first_visit_at=first_visit_at,
            last_visit_at=last_visit_at,
            visits=visits,
        ),
    )
