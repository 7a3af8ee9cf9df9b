"""What the three kinds of file hold, and what each row becomes on the storefront's topics."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from msgspec import UNSET

from shared import topics
from shared.events import Event
from shared.events.storefront import (
    Identification,
    Person,
    StorefrontCustomerIdentified,
    StorefrontVisitRecorded,
    Visit,
)
from tools.importing.cells import Cells
from tools.importing.options import Options

SOURCE = "import"


class Paid(NamedTuple):
    """What an order was worth, for the sums that a person compares with their own."""

    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Thing:
    """One row: its natural key, whose it is, and the events that tell it."""

    natural: tuple[str, ...]
    person: str
    events: Sequence[Event]
    paid: Paid | None = None


Convert = Callable[[Cells, Options], Thing]


@dataclass(frozen=True, slots=True)
class Kind:
    """`kept` columns travel on; `dropped` ones are known here, and no service has a place for them yet."""

    name: str
    topic: str
    required: tuple[str, ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    convert: Convert

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.required, *self.kept, *self.dropped)


def event_id(*natural: str) -> str:
    """The same for the same natural key, in every run and on every machine: so twice is once."""
    # No text of ours holds U+0000.
    key = "\0".join(natural).encode()
    return f"import-{hashlib.blake2b(key, digest_size=16).hexdigest()}"


def person_of(cells: Cells, options: Options) -> Person:
    return Person(platform=options.platform, source_id=cells.text("customer_id"))


def visit(cells: Cells, options: Options) -> Thing:
    """A visit is known by its `visit_id`, else by who, where, when and what: two such rows are one visit."""
    person, shop = person_of(cells, options), cells.text("shop_id", options.shop)
    at, name = cells.instant("visited_at"), cells.text("name", "page")
    visit_id = cells.text_or_none("visit_id")
    natural = ("visit", shop, visit_id) if visit_id else ("visit", shop, *_who_and_when(person, at), name)
    data = Visit(person=person, shop_id=shop, name=name, channel=cells.text_or_none("channel"))
    told = StorefrontVisitRecorded(id=event_id(*natural), source=SOURCE, time=at, data=data)
    return Thing(natural, person.source_id or "", (told,))


def customer(cells: Cells, options: Options) -> Thing:
    person, shop = person_of(cells, options), cells.text("shop_id", options.shop)
    member = cells.flag("member")
    natural = ("customer", person.platform, person.source_id or "")
    data = Identification(person=person, shop_id=shop, member=UNSET if member is None else member)
    told = StorefrontCustomerIdentified(
        id=event_id(*natural), source=SOURCE, time=cells.instant("created_at"), data=data
    )
    return Thing(natural, person.source_id or "", (told,))


def _who_and_when(person: Person, at: datetime) -> tuple[str, str, str]:
    return person.platform, person.source_id or "", at.isoformat()


VISITS = Kind(
    "visits",
    topics.STOREFRONT_VISITS,
    required=("customer_id", "visited_at"),
    kept=("visit_id", "shop_id", "name", "channel"),
    dropped=("city", "email", "phone"),
    convert=visit,
)
CUSTOMERS = Kind(
    "customers",
    topics.STOREFRONT_IDENTITIES,
    required=("customer_id", "created_at"),
    kept=("shop_id", "member"),
    dropped=("city", "email", "phone", "name"),
    convert=customer,
)
