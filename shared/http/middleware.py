"""Around every request, as plain ASGI: a request id, a limit on the body, one log line, one observation."""

import re
import time
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics, tracing
from shared.errors import TooLarge
from shared.http.problems import of_refusal
from shared.ids import draw
from shared.telemetry import log

_PLUMBING = ("/health", "/metrics")
# Of a key that stands in a path only the public part is logged.
_SECRET = re.compile(r"(cbk_live_[^_/]*)_[^/]*")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Requests:
    """`limits` are the largest bodies in bytes by path, `default` is for all others."""

    def __init__(self, app: ASGIApp, *, default: int, limits: dict[str, int]) -> None:
        self._app = app
        self._default = default
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = draw("req")
        scope.setdefault("state", {})["request_id"] = request_id
        limit = self._limits.get(scope["path"], self._default)
        answered: dict[str, Any] = {}

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered["status"] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with tracing.request(scope):
            try:
                await self._app(scope, _limited(scope, receive, limit), send_on)
            except TooLarge as error:
                await of_refusal(Request(scope), error)(scope, receive, send_on)
            _report(scope, request_id, answered.get("status"), time.perf_counter() - started)


def _limited(scope: Scope, receive: Receive, limit: int) -> Receive:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    seen = int(declared) if declared.isdigit() else 0
    counted = 0

    async def receive_some() -> Message:
        nonlocal counted
        message = await receive()
        counted += len(message.get("body", b""))
        if max(seen, counted) > limit:
            raise TooLarge(f"the body has more than {limit} bytes", code="body-too-large")
        return message

    return receive_some


def _report(scope: Scope, request_id: str, status: int | None, seconds: float) -> None:
    if not scope["path"].startswith(_PLUMBING):
        # A method of the caller's own making would be a series for ever.
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _template(scope)
        metrics.REQUESTS.labels(route, method, f"{status // 100}xx" if status else "none").observe(seconds)
        tracing.answered(method, route, status, request_id)
        log.info(
            "request",
            method=scope["method"],
            path=_SECRET.sub(r"\1_...", scope["path"]),
            status=status,
            request_id=request_id,
            ms=round(seconds * 1e3, 1),
        )


def _template(scope: Scope) -> str:
    """The path as the route was declared with, never as it was called."""
    route = scope.get("route")
    if route is None and "endpoint" in scope:
        # FastAPI names its own routes only; bare ASGI ones and mounted files are known by what answers.
        answers = scope["endpoint"]
        known: list[Any] = scope["app"].router.routes
        route = next(
            (each for each in known if answers in (getattr(each, name, None) for name in ("endpoint", "app"))), None
        )
    return getattr(route, "path", "unmatched")
