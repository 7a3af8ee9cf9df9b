"""What a batch has changed so far, by customer; told once, when the batch is through."""

from services.profile.domain import Change, Identity, identify
from shared.database import Session
from shared.events.storefront import Person
from shared.ids import Ids


def customer_of(session: Session, person: Person) -> str | None:
    """The id of who did it, noted as changed by this batch; None for a person without any identifier."""
    # The same customers come again and again. Not kept for longer: what outlives its batch scatters over the memory.
    known: dict[tuple[str | None, ...], tuple[str, Identity]] = session.info.setdefault("identified", {})
    told = (person.platform, person.source_id, person.anonymous_id)
    found = known.get(told)
    if found is None:
        identity = identify(*told)
        if identity is None:
            return None
        ids: Ids = session.info["ids"]
        found = known[told] = (ids.derive("cus", *identity), identity)
    customer_id, identity = found
    change_of(session, customer_id).identity = identity
    return customer_id


def change_of(session: Session, customer_id: str) -> Change:
    changes: dict[str, Change] = session.info["batch"]
    change = changes.get(customer_id)
    if change is None:
        change = changes[customer_id] = Change()
    return change
