"""The ingest door: Segment's calls, as bare ASGI, into Kafka. Answers when the broker has acknowledged."""

import asyncio
import json
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.profile.routes.browser import from_anywhere
from services.profile.routes.described import describe_ingest
from services.profile.schemas.calls import Batch, Message, happened_at
from services.profile.schemas.segment import is_order_event, read, to_event
from shared import tracing
from shared.clock import wall, wall_micros
from shared.errors import Forbidden, Invalid, Refusal, TooLarge, TooMany, Unavailable
from shared.events.codec import Undecodable, decode, encode
from shared.http import problems
from shared.http.door import Door
from shared.http.keys import Caller, credential
from shared.ids import draw
from shared.kafka import KafkaError, Producer
from shared.parked import Parked, add_parked

# As large as Segment's own SDKs send them: what they count is kibibytes.
EVENT_LIMIT = 32 * 1024
BATCH_LIMIT = 500 * 1024
CALLS = ("identify", "track", "page", "screen", "alias", "group", "batch")
# The browser's SDK says only the first letter.
PATHS = {f"/v1/{name}": call for call in CALLS for name in (call, call[0])}
BODY_LIMITS = {path: BATCH_LIMIT if call == "batch" else EVENT_LIMIT for path, call in PATHS.items()}
_BUSY = 2_000
_ACKNOWLEDGED_WITHIN = 10
# Bytes that are no UTF-8 are none of msgspec's own errors.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_batch = msgspec.json.Decoder(Batch)

Outgoing = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and when the call came."""

    caller: Caller
    received: datetime
    sent_at: datetime | None = None


class Ingest:
    """One of Segment's calls; `call` is its name."""

    waiting = 0

    def __init__(self, call: str) -> None:
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Refusal as error:
            response = problems.of_refusal(request, error)
        except ClientDisconnect:
            return
        except Exception as error:
            response = problems.of_failure(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if Ingest.waiting >= _BUSY:
            raise TooMany("the broker is behind; try again in a second", code="back-pressure")
        Ingest.waiting += 1
        try:
            body = await _body(request, BODY_LIMITS[f"/v1/{self._call}"])
            door: Door = request.app.state.door
            caller = await door.keys.caller(credential(request.headers.get("authorization")) or _write_key(body))
            caller.require("events:write", shop_keys=True)
            if self._call == "batch":
                return await _take_batch(request, body, caller)
            out = _convert(self._call, body, Sender(caller, wall()))
            await _publish(request.app.state.producer, [out])
            return JSONResponse({"success": True})
        finally:
            Ingest.waiting -= 1


async def _body(request: Request, limit: int) -> bytes:
    """The body, inflated when it is gzip; a text/plain body is JSON like any other."""
    body = await request.body()
    if request.headers.get("content-encoding") != "gzip":
        return body
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid("the body is not gzip, although it says so", code="gzip-invalid") from error
    if len(inflated) > limit:
        raise TooLarge(f"the body has more than {limit} bytes when inflated", code="body-too-large")
    return inflated


def _write_key(body: bytes) -> str | None:
    try:
        return msgspec.json.decode(body, type=Batch).write_key
    except _UNREADABLE:
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None
        key: Any = found.get("writeKey") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return key if isinstance(key, str) else None


def _convert(call: str | None, raw: bytes | msgspec.Raw, sender: Sender) -> Outgoing:
    """`(topic, key, body)` of one message; raises Invalid, Forbidden or TooLarge."""
    if len(memoryview(raw)) > EVENT_LIMIT:
        raise TooLarge(f"an event has at most {EVENT_LIMIT} bytes", code="event-too-large")
    try:
        message = read(raw, call)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Invalid(str(error), pointer=_pointer(str(error))) from error
    except _UNREADABLE as error:
        raise Invalid(f"not JSON: {error}", code="malformed") from error
    message.sent_at = message.sent_at or sender.sent_at
    _may_send(message, sender.caller)
    message_id = message.message_id or draw("msg")
    topic, key, event = to_event(message, message_id, happened_at(message, sender.received), sender.caller.shop_id)
    body = encode(tracing.stamp(event))
    try:
        decode(body)
    except Undecodable as error:
        raise Invalid(str(error)) from error
    return topic, key, body


def _may_send(message: Message, caller: Caller) -> None:
    # A key that can do nothing else is a browser's, and whoever opens the page can read it there.
    if is_order_event(message) and caller.scopes == frozenset({"events:write"}):
        raise Forbidden("a browser's write key cannot send order events", code="order-events-need-server-key")
    if message.properties.shop_id is not None:
        caller.require_shop(message.properties.shop_id, "/properties/shop_id")


def _pointer(detail: str) -> str | None:
    _, found, path = detail.partition(" - at `$")
    return path.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/") if found else None


async def _take_batch(request: Request, body: bytes, caller: Caller) -> Response:
    """The good events are taken, each bad one is reported and parked."""
    try:
        batch = _batch.decode(body)
    except _UNREADABLE as error:
        raise Invalid(str(error), code="malformed", pointer=_pointer(str(error))) from error
    sender = Sender(caller, wall(), batch.sent_at)
    good: list[Outgoing] = []
    bad: list[tuple[int, bytes, Refusal]] = []
    for number, raw in enumerate(batch.batch):
        try:
            good.append(_convert(None, raw, sender))
        except Refusal as error:
            bad.append((number, bytes(raw), error))
    await _publish(request.app.state.producer, good)
    await _park(request.app.state.door, bad)
    errors = [
        {"pointer": f"/batch/{number}{error.pointer or ''}", "code": error.code, "detail": error.detail}
        for number, _, error in bad
    ]
    return JSONResponse({"success": not bad, "taken": len(good), "errors": errors})


async def _park(door: Door, bad: list[tuple[int, bytes, Refusal]]) -> None:
    if not bad:
        return
    # They never were in a topic: the instant of arrival stands for a place in the log.
    first = wall_micros()
    async with door.database.transaction() as session:
        await add_parked(
            session,
            [
                Parked("http", 0, first + number, None, raw, f"{error.code}: {error.detail}")
                for number, raw, error in bad
            ],
        )


async def _publish(producer: Producer, out: list[Outgoing]) -> None:
    by_topic: dict[str, list[tuple[str, bytes]]] = {}
    for topic, key, body in out:
        by_topic.setdefault(topic, []).append((key, body))
    try:
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
            await asyncio.gather(*(producer.publish(topic, messages) for topic, messages in by_topic.items()))
    except (KafkaError, TimeoutError, OSError) as error:
        raise Unavailable("the broker does not acknowledge; send it again, the messageId makes it once") from error


def add_ingest(app: FastAPI) -> None:
    app.router.routes.extend(
        Route(path, from_anywhere(Ingest(call)), methods=["POST", "OPTIONS"]) for path, call in PATHS.items()
    )
    describe_ingest(app, PATHS)
