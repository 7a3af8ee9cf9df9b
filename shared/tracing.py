"""Which trace an event belongs to, from the HTTP doors through all services. Called by the runtime; off it is a None.

On when COMEBACK_OTLP_ENDPOINT is set; only then `shared/spans.py`, which alone knows OpenTelemetry, is imported.
A context travels in the event (CloudEvents' `traceparent`) and on its record in the header of that name.
"""

import re
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from shared.events import Event

if TYPE_CHECKING:
    from shared.batches import Batch
    from shared.spans import Spans

Told = list[tuple[str, Event]]
# A quote inside a text would be escaped, so this can only be the envelope's field.
_IN_BODY = re.compile(rb',"traceparent":"([0-9a-f-]{55})"')
_KEYS = 10_000
_OFF: AbstractContextManager[None] = nullcontext()


class Trail:
    """By key: the context of what was heard since the last tick, for what will be told of that key.

    In memory, because only the trace breaks when it is lost. What is decided later than the next tick has other causes.
    """

    def __init__(self) -> None:
        self._contexts: dict[str, str] = {}

    def note(self, key: str, traceparent: str) -> None:
        self._contexts.pop(key, None)
        self._contexts[key] = traceparent
        if len(self._contexts) > _KEYS:
            del self._contexts[next(iter(self._contexts))]

    def rename(self, old: str, new: str) -> None:
        """What was heard under `old` will be told under `new`."""
        if old in self._contexts:
            self.note(new, self._contexts[old])

    def stamp(self, told: Told, *, last: bool) -> Told:
        """The events with their contexts; after the `last` ones of a tick everything is forgotten."""
        if self._contexts:
            told = [(key, _with(event, self._contexts.get(key))) for key, event in told]
        if last:
            self._contexts.clear()
        return told


_spans: "Spans | None" = None
_trail = Trail()


def start(service: str, endpoint: str) -> None:
    """To be called once, by whoever runs a process; without an endpoint nothing happens."""
    global _spans
    if endpoint:
        from shared.spans import Spans  # noqa: PLC0415  # a process that traces nothing does not pay for loading it

        _spans = Spans(service, endpoint)


def stop() -> None:
    """Sends what has not been sent yet."""
    if _spans is not None:
        _spans.stop()


def is_on() -> bool:
    return _spans is not None


def request(scope: Any) -> AbstractContextManager[None]:
    """Around a request: a span of the caller's trace, or the first of a new one."""
    return _OFF if _spans is None else _spans.request(scope)


def answered(method: str, route: str, status: int | None, request_id: str) -> None:
    """Says of the request that is being answered what it was."""
    if _spans is not None:
        _spans.answered(method, route, status, request_id)


def batch(heard: "Batch") -> AbstractContextManager[None]:
    """Around the transaction of a batch: a span in each trace that it goes on with."""
    return _OFF if _spans is None else _spans.batch(heard, _trail.note)


def rename(old: str, new: str) -> None:
    _trail.rename(old, new)


def stamp(event: Event) -> Event:
    """The event in the trace of the request that it came with."""
    return event if _spans is None else _with(event, _spans.here())


def stamp_all(told: Told, *, last: bool) -> Told:
    """What goes into the outbox, each in the request's trace or, in a worker, in that of what it follows from."""
    if _spans is None:
        return told
    if here := _spans.here():
        return [(key, _with(event, here)) for key, event in told]
    return _trail.stamp(told, last=last)


def headers(body: bytes) -> list[tuple[str, bytes]]:
    """The header of a record whose event has a context."""
    found = _IN_BODY.search(body)
    return [("traceparent", found[1])] if found else []


def _with(event: Event, traceparent: str | None) -> Event:
    return event if traceparent is None else replace(event, traceparent=traceparent)
