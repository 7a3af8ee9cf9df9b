"""A small proxy that misbehaves as it is told to, between an SDK and the ingest door."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# What a browser's script must be let see; our own door lets it, and so must whoever stands in front of it.
_OPEN = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
_HOP = ("transfer-encoding", "connection", "content-length", "date", "server")


@dataclass(frozen=True)
class Refuse:
    """Answered by the proxy itself; what was sent does not arrive."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True)
class Lose:
    """What was sent arrives, but its answer does not: the sender hears of `status`, or of nothing at all."""

    status: int | None = None


# In this order: too many, then an error, then two sent in vain as far as the sender knows.
TROUBLE = (Refuse(429, retry_after=1), Refuse(500), Lose(502), Lose())


@dataclass
class Proxy:
    url: str
    trouble: list[Refuse | Lose] = field(default_factory=list)
    # Of every POST: when it came, and what was done to it (None: it was passed on).
    seen: list[tuple[float, Refuse | Lose | None]] = field(default_factory=list)
    largest: int = 0  # body, in bytes
    # What the door itself answered.
    statuses: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, size: int) -> Refuse | Lose | None:
        with self.lock:
            self.largest = max(self.largest, size)
            found = self.trouble.pop(0) if self.trouble else None
            self.seen.append((time.monotonic(), found))
            return found

    def waited_after(self, what: Refuse) -> float:
        """How many seconds later the next POST came."""
        number = next(number for number, (_, done) in enumerate(self.seen) if done == what)
        return self.seen[number + 1][0] - self.seen[number][0]


@contextmanager
def misbehaving(upstream: str) -> Iterator[Proxy]:
    """It behaves until it is given `trouble`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream = urlsplit(upstream).netloc
    server.proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream: str
    proxy: Proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        trouble = self.server.proxy.next(len(body))
        if isinstance(trouble, Refuse):
            waits = {} if trouble.retry_after is None else {"Retry-After": str(trouble.retry_after)}
            return self._answer(trouble.status, {**_OPEN, **waits}, b"{}")
        status, headers, answer = self._forward(body)
        if trouble is None:
            return self._answer(status, headers, answer)
        assert status == 200, answer
        if trouble.status is not None:
            return self._answer(trouble.status, _OPEN, b"{}")
        self.close_connection = True
        return None

    def do_GET(self) -> None:
        self._answer(*self._forward(None))

    do_OPTIONS = do_GET

    def _forward(self, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=30)
        # With the Host that was asked for: the settings document names it.
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        if body is not None:
            self.server.proxy.statuses.append(found[0])
        return found

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None: ...
