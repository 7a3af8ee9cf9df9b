"""How a service says what it listens to: one `on_<event>` function for each type, taking a batch of it."""

from collections.abc import Awaitable, Callable, Container, Iterable
from typing import Any, Protocol, TypeVar

from shared.database import Session
from shared.events import Event, producer_of, type_of
from shared.events.codec import EVENTS
from shared.topics import writer_of

Handler = Callable[[Session, list[Any]], Awaitable[None]]


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


Told = TypeVar("Told", bound=Versioned)


def newest(told: Iterable[Told], key: Callable[[Told], str]) -> dict[str, Told]:
    """By key: what its highest version says, whatever order they came in."""
    found: dict[str, Told] = {}
    for each in told:
        name = key(each)
        known = found.get(name)
        if known is None or each.version > known.version:
            found[name] = each
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
        self._after: Callable[[Session], Awaitable[None]] | None = None

    def on(self, event: type[Event]) -> Callable[[Handler], Handler]:
        """Registers the function as the handler of `event`; its name must say so."""

        def register(handler: Handler) -> Handler:
            self._handlers[event] = handler
            return handler

        return register

    def after_batch(self, finish: Callable[[Session], Awaitable[None]]) -> None:
        """Registers what runs once when all handlers of a batch have; `session.info["batch"]` is theirs to fill."""
        self._after = finish

    @property
    def events(self) -> list[type[Event]]:
        return list(self._handlers)

    def heads_of_others(self) -> tuple[bytes, ...]:
        """How records of these topics begin whose type nobody here handles: passed over, they need not be decoded."""
        heard = {writer_of(topic) for topic in (*self.clocked, *self.unclocked)}
        others = [event for event in EVENTS if event not in self._handlers and producer_of(event) in heard]
        return tuple(f'{{"type":"{type_of(event)}",'.encode() for event in others)

    @property
    def handled(self) -> Container[type]:
        return self._handlers

    async def handle(self, session: Session, events: list[Event]) -> None:
        """Gives each handler its events, in the order in which the handlers are declared."""
        session.info["batch"] = {}
        by_type: dict[type[Event], list[Event]] = {}
        for event in events:
            by_type.setdefault(type(event), []).append(event)
        for event_type, handler in self._handlers.items():
            if found := by_type.get(event_type):
                await handler(session, found)
        if self._after is not None:
            await self._after(session)
