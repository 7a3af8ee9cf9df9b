"""What a batch has changed so far, by customer; told once, when the batch is through."""

from services.profile.domain import Change, Identity, identify
from shared.database import Session
from shared.events.storefront import Person
from shared.ids import Ids


def customer_of(session: Session, person: Person) -> str | None:
    """The id of who did it, noted as changed by this batch; None for a person without any identifier."""
    identity = identify(person.platform, person.source_id, person.anonymous_id)
    if identity is None:
        return None
    ids: Ids = session.info["ids"]
    customer_id = ids.derive("cus", identity.platform, identity.kind, identity.identifier)
    change_of(session, customer_id, identity)
    return customer_id


def change_of(session: Session, customer_id: str, identity: Identity | None = None) -> Change:
    changes: dict[str, Change] = session.info["batch"]
    change = changes.get(customer_id)
    if change is None:
        change = changes[customer_id] = Change()
    if identity is not None:
        change.identity = identity
    return change
