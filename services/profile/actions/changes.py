"""What a batch has changed so far, by customer; told once, when the batch is through."""

from functools import lru_cache

from services.profile.domain import Change, Identity, identify
from shared.database import Session
from shared.events.storefront import Person
from shared.ids import Ids


def customer_of(session: Session, person: Person) -> str | None:
    """The id of who did it, noted as changed by this batch; None for a person without any identifier."""
    known = _known(session.info["ids"], person.platform, person.source_id, person.anonymous_id)
    if known is None:
        return None
    customer_id, identity = known
    change_of(session, customer_id).identity = identity
    return customer_id


# The same customers come again and again.
@lru_cache(20_000)
def _known(ids: Ids, platform: str, source_id: str | None, anonymous_id: str | None) -> tuple[str, Identity] | None:
    identity = identify(platform, source_id, anonymous_id)
    return (ids.derive("cus", *identity), identity) if identity else None


def change_of(session: Session, customer_id: str) -> Change:
    changes: dict[str, Change] = session.info["batch"]
    change = changes.get(customer_id)
    if change is None:
        change = changes[customer_id] = Change()
    return change
