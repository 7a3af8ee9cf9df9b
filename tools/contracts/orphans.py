"""What is declared and leads nowhere: events that nobody sends or hears, classes in no event, topics without an end."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import shared.events
from deploy.local.names import SERVICES
from shared import topics
from shared.events import Event, type_of
from shared.events.envelope import Data
from tools.contracts import traffic
from tools.contracts.evolution import split
from tools.contracts.schemas import schemas


def orphans() -> list[str]:
    """A line for each."""
    return [*unsent_or_unheard(), *unused_classes(), *unused_topics(), *deaf_handlers()]


def unsent_or_unheard() -> Iterator[str]:
    sent = {event for topic in topics.ALL for who in traffic.senders(topic) for event in traffic.sent(who, topic)}
    for event in traffic.EVENTS:
        if event not in sent and not _succeeded(event):
            yield f"{type_of(event)} is declared, and nobody sends it"
        if not traffic.hearers(event):
            yield f"{type_of(event)} is declared, and nobody hears it"


def _succeeded(event: type[Event]) -> bool:
    """Whether a later version is there; this one is only read then, as long as a log may hold it."""
    stem, number = split(type_of(event))
    others = (split(type_of(other)) for other in traffic.EVENTS)
    return any(other == stem and later > number for other, later in others)


def unused_classes(modules: Iterable[ModuleType] | None = None) -> Iterator[str]:
    """Classes of messages in shared/events that no event is or holds."""
    used = {*schemas("{name}"), Event.__name__, Data.__name__}
    for module in modules or _modules():
        for name, found in vars(module).items():
            if _is_message(found) and found.__module__ == module.__name__ and name not in used:
                yield f"{module.__name__}.{name} is declared, and no event is or holds one"


def _modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(shared.events.__path__, "shared.events.")]
    return [importlib.import_module(name) for name in names]


def _is_message(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Event | Data)


def unused_topics() -> Iterator[str]:
    for topic in topics.ALL:
        if not traffic.senders(topic):
            yield f"{topic} is declared, and nobody writes to it"
        if not any(traffic.heard(service, topic) for service in SERVICES):
            yield f"{topic} is declared, and nobody reads it"


def deaf_handlers() -> Iterator[str]:
    for service in SERVICES:
        for event in traffic.deaf(service):
            yield f"{service} has a handler for {type_of(event)}, and reads no topic that it travels on"
