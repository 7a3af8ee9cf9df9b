"""Which event travels on which topic, who sends it and who hears it: read from the contracts and the services' code."""

import importlib
from collections.abc import Iterable

from deploy.local.names import SERVICES
from shared import topics
from shared.consuming import Consumers
from shared.events import ClockTicked, Event, producer_of, short_type
from shared.events.codec import EVENTS
from tools.contracts.making import made

STOREFRONT = "storefront"
# Whoever delivers coupons, and takes them, listens to what becomes of them.
_FOR_STOREFRONTS = ("coupons",)
_OF_STOREFRONT = {
    "storefront-order": topics.STOREFRONT_ORDERS,
    "storefront-visit": topics.STOREFRONT_VISITS,
    "storefront-customer": topics.STOREFRONT_IDENTITIES,
}


def topic_of(event: type[Event]) -> str:
    """Where an event that is no tick travels: on its producer's topic."""
    producer = producer_of(event)
    return _OF_STOREFRONT[short_type(event).split(".")[0]] if producer == STOREFRONT else f"{producer}-events"


def carried(topic: str) -> list[type[Event]]:
    """What travels on a topic; the tick does on each."""
    return [*(event for event in EVENTS if event is not ClockTicked and topic_of(event) == topic), ClockTicked]


def senders(topic: str) -> list[str]:
    """Who writes events to a topic. Profile's door does for storefronts that use HTTP."""
    return [sender for sender in (STOREFRONT, *SERVICES) if set(sent(sender, topic)) - {ClockTicked}]


def sent(sender: str, topic: str) -> list[type[Event]]:
    """What a sender writes to a topic; a service also writes the tick to each topic that it writes to."""
    if sender == STOREFRONT:
        return [event for event in carried(topic) if producer_of(event) == STOREFRONT]
    makes = made(f"services.{sender}", EVENTS)
    found = [event for event in carried(topic) if event in makes and producer_of(event) in (sender, STOREFRONT)]
    return [*found, ClockTicked] if found else []


def consumers_of(service: str) -> Consumers:
    return importlib.import_module(f"services.{service}.consumers").consumers


def heard(service: str, topic: str) -> list[type[Event]]:
    """What a service takes from a topic; nothing from one that it does not listen to."""
    if service == STOREFRONT:
        return [event for event in carried(topic) if producer_of(event) in _FOR_STOREFRONTS]
    consumers = consumers_of(service)
    if topic not in [*consumers.clocked, *consumers.unclocked]:
        return []
    wanted = {*consumers.events, *([ClockTicked] if topic in consumers.clocked else [])}
    return [event for event in carried(topic) if event in wanted]


def hearers(event: type[Event], among: Iterable[str] = topics.ALL) -> list[str]:
    return [each for each in (*SERVICES, STOREFRONT) if any(event in heard(each, topic) for topic in among)]


def deaf(service: str) -> list[type[Event]]:
    """What a service has a handler for and will never get, because it does not listen to the topic."""
    found = {event for topic in topics.ALL for event in heard(service, topic)}
    return [event for event in consumers_of(service).events if event not in found]
