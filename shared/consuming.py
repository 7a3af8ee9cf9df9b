"""How a service says what it listens to: one `on_<event>` function for each type, taking a batch of it.

The batch can be gone through as often as wanted; each time its events are decoded anew.
"""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from shared.batches import Glance, Nothing
from shared.database import Session
from shared.events import Event, producer_of, type_of
from shared.events.codec import EVENTS
from shared.topics import writer_of

Handler = Callable[[Session, Iterable[Any]], Awaitable[None]]


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


Told = TypeVar("Told", bound=Versioned)
_END_OF_HEAD = b'",'


def newest(told: Iterable[Told], key: Callable[[Told], str]) -> dict[str, Told]:
    """By key: what its highest version says, whatever order they came in."""
    found: dict[str, Told] = {}
    for each in told:
        name = key(each)
        known = found.get(name)
        if known is None or each.version > known.version:
            found[name] = each
    return found


def _head_of(event: type[Event]) -> bytes:
    """How its bytes begin."""
    return f'{{"type":"{type_of(event)}'.encode() + _END_OF_HEAD


def by_type(events: Iterable[Event]) -> dict[type[Event], list[Event]]:
    """As `Consumers.handle` takes them."""
    found: dict[type[Event], list[Event]] = {}
    for event in events:
        found.setdefault(type(event), []).append(event)
    return found


class Consumers:
    """The visible list of a service's subscriptions.

    `clocked` topics carry the clock and are read tick by tick; `unclocked` ones feed back and never enter a decision.
    `patience_ms`: how long a batch that no tick completes may wait for more. `rest_ms`: how long it rests between two
    looks at its topics, so that the processors are left to those who decide.
    """

    def __init__(
        self,
        *,
        clocked: list[str],
        unclocked: list[str] | None = None,
        skips_ticks: bool = False,
        patience_ms: int = 12,
        rest_ms: int = 0,
    ) -> None:
        self.clocked = clocked
        self.unclocked = unclocked or []
        self.skips_ticks = skips_ticks
        self.patience_ms = patience_ms
        self.rest_ms = rest_ms
        self._handlers: dict[type[Event], Handler] = {}
        self._idle: dict[type[Event] | None, tuple[bytes, ...]] = {}
        self._after: Callable[[Session], Awaitable[None]] | None = None

    def on(self, event: type[Event], *, unless_it_has: Sequence[str] = ()) -> Callable[[Handler], Handler]:
        """Registers the function as the handler of `event`; its name must say so.

        `unless_it_has`: texts of the event's data. An event that has one of them says nothing to the handler, which
        must agree: where it can be told from the bytes, it is passed over.
        """

        def register(handler: Handler) -> Handler:
            self._handlers[event] = handler
            if unless_it_has:
                # As it can stand nowhere else: a quote inside of a text is escaped.
                self._idle[event] = tuple(f'"{name}":"'.encode() for name in unless_it_has)
            return handler

        return register

    def after_batch(self, finish: Callable[[Session], Awaitable[None]]) -> None:
        """Registers what runs once when all handlers of a batch have; `session.info["batch"]` is theirs to fill."""
        self._after = finish

    @property
    def events(self) -> list[type[Event]]:
        return list(self._handlers)

    def glance(self) -> Glance:
        """Says of a record's bytes what they are, as far as their beginning tells it: Nothing for what no handler here
        would make anything of.
        """
        heard = {writer_of(topic) for topic in (*self.clocked, *self.unclocked)}
        kinds: dict[bytes, type[Event]] = {
            _head_of(event): event if event in self._handlers else Nothing
            for event in EVENTS
            if event in self._handlers or producer_of(event) in heard
        }
        idle = self._idle

        def kind_of(value: bytes) -> type[Event] | None:
            kind = kinds.get(value[: value.find(_END_OF_HEAD) + len(_END_OF_HEAD)])
            if kind in idle and any(text in value for text in idle[kind]):
                return Nothing
            return kind

        return kind_of

    @property
    def handled(self) -> Container[type[Event] | None]:
        return self._handlers

    async def handle(self, session: Session, by_type: Mapping[type[Event], Iterable[Event]]) -> None:
        """Gives each handler its events, if there are any, in the order in which the handlers are declared."""
        session.info["batch"] = {}
        for event_type, handler in self._handlers.items():
            found = by_type.get(event_type, ())
            if any(True for _ in found):
                await handler(session, found)
        if self._after is not None:
            await self._after(session)
