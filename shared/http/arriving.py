"""How a request may arrive: uvicorn's protocol, with an end to what a caller may send slowly or without end.

uvicorn itself waits for ever for the rest of a request, and takes headers of any size. Given to it by `serve`.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared import metrics

CONNECTIONS = 4_096
HEAD_BYTES = 65_536
WITHIN_SECONDS = 20.0
_CODES = {408: "too-slow", 431: "head-too-large"}


class Arriving(HttpToolsProtocol):
    """A request must be there, head and body, within 20 seconds of its beginning; its head in 64 KiB."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:
            self._wait()
        # Counted before it is read: the parser keeps what it has of a head.
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self._end(431, "the head of a request has at most 64 KiB")

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_waiting()
        super().on_message_complete()

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(WITHIN_SECONDS, self._late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        if self.flow.read_paused:
            self._wait()  # it is we who do not read on
        else:
            self._end(408, "the request did not arrive in time")

    def _end(self, status: int, detail: str) -> None:
        """Closes; with an answer, if what is late or too long has not been answered yet and nothing else would be."""
        self._stop_waiting()
        cycle: Any = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if busy and self._in_head:
            # An earlier request on this connection is being answered: it is closed behind that.
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        begun = busy and not self.cycle.response_started if not self._in_head else self._head_bytes > 0
        if begun and not self.transport.is_closing():
            metrics.REFUSALS.labels(_CODES[status]).inc()
            head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(detail)
            self.transport.write(STATUS_LINE[status] + head + detail.encode())
        self.transport.close()
