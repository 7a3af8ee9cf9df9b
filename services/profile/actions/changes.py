"""What a batch has changed so far, by customer; told once, when the batch is through."""

from services.profile.domain import Change, identify
from shared.database import Session
from shared.events.storefront import Person
from shared.ids import Ids


class Changes:
    """Of one batch, or of a part of one that is tried alone."""

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        # The same customers come again and again. Not kept for longer: what outlives its batch scatters over memory.
        self._known: dict[tuple[str | None, ...], str] = {}
        self.by_customer: dict[str, Change] = {}

    def customer_of(self, person: Person) -> str | None:
        """The id of who did it, noted as changed by this batch; None for a person without any identifier."""
        told = (person.platform, person.source_id, person.anonymous_id)
        return self._known.get(told) or self._identify(told)

    def _identify(self, told: tuple[str, str | None, str | None]) -> str | None:
        identity = identify(*told)
        if identity is None:
            return None
        customer_id = self._known[told] = self.ids.derive("cus", *identity)
        self.of(customer_id).identity = identity
        return customer_id

    def of(self, customer_id: str) -> Change:
        change = self.by_customer.get(customer_id)
        if change is None:
            change = self.by_customer[customer_id] = Change()
        return change


def changes_of(session: Session) -> Changes:
    """Those of the batch that the session applies."""
    batch: dict[str, Changes] = session.info["batch"]
    return batch.get("changes") or batch.setdefault("changes", Changes(session.info["ids"]))
