"""What a batch has changed so far, by customer; told once, when the batch is through."""

from services.profile.domain import Change, identify
from shared.database import Session
from shared.events.storefront import Person
from shared.ids import Ids


def customer_of(session: Session, person: Person) -> str | None:
    """The id of who did it, noted as changed by this batch; None for a person without any identifier."""
    # The same customers come again and again. Not kept for longer: what outlives its batch scatters over the memory.
    known: dict[tuple[str | None, ...], str] = session.info.setdefault("identified", {})
    told = (person.platform, person.source_id, person.anonymous_id)
    customer_id = known.get(told)
    # A batch that is bisected begins to note anew in the same session.
    if customer_id in session.info["batch"]:
        return customer_id
    identity = identify(*told)
    if identity is None:
        return None
    ids: Ids = session.info["ids"]
    customer_id = known[told] = ids.derive("cus", *identity)
    change_of(session, customer_id).identity = identity
    return customer_id


def change_of(session: Session, customer_id: str) -> Change:
    changes: dict[str, Change] = session.info["batch"]
    change = changes.get(customer_id)
    if change is None:
        change = changes[customer_id] = Change()
    return change
