"""The ingest door: Segment's calls, as bare ASGI, into Kafka. Answers when the broker has acknowledged."""

import asyncio
import zlib
from dataclasses import dataclass
from datetime import datetime

import msgspec
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.profile.routes.browser import from_anywhere
from services.profile.routes.bundling import Bundles
from services.profile.routes.described import describe_ingest
from services.profile.routes.room import EVENT_BYTES, REQUEST_BYTES, Place, Room
from services.profile.schemas.calls import Batch, Message, happened_at
from services.profile.schemas.segment import is_order_event, read, to_event
from services.profile.schemas.signed import Signed
from shared import tracing
from shared.clock import wall, wall_micros
from shared.errors import Forbidden, Invalid, Refusal, TooLarge, Unavailable
from shared.events.codec import Undecodable, decode, encode
from shared.http import problems
from shared.http.door import Door
from shared.http.keys import Caller, credential
from shared.ids import draw
from shared.kafka import KafkaError
from shared.parked import Parked, add_parked

# As large as Segment's own SDKs send them: what they count is kibibytes.
EVENT_LIMIT = 32 * 1024
BATCH_LIMIT = 500 * 1024
CALLS = ("identify", "track", "page", "screen", "alias", "group", "batch")
# The browser's SDK says only the first letter.
PATHS = {f"/v1/{name}": call for call in CALLS for name in (call, call[0])}
BODY_LIMITS = {path: BATCH_LIMIT if call == "batch" else EVENT_LIMIT for path, call in PATHS.items()}
_ACKNOWLEDGED_WITHIN = 10
# Bytes that are no UTF-8 are none of msgspec's own errors.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_batch = msgspec.json.Decoder(Batch)
_signed = msgspec.json.Decoder(Signed)

Outgoing = tuple[str, str, bytes]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and when the call came."""

    caller: Caller
    received: datetime
    sent_at: datetime | None = None


class Ingest:
    """One of Segment's calls; `call` is its name."""

    def __init__(self, call: str, room: Room, bundles: Bundles) -> None:
        self._call = call
        self._limit = BODY_LIMITS[f"/v1/{call}"]
        self._room = room
        self._bundles = bundles

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
        place, door = Place(), request.app.state.door
        try:
            key = credential(request.headers.get("authorization"))
            # Who cannot say who they are before their body is read may say it inside.
            caller = await self._caller(door, key, place) if key else None
            body = await self._body(request, place)
            caller = caller or await self._caller(door, _write_key(body), place)
            self._room.take(place, REQUEST_BYTES)
            if self._call == "batch":
                return await self._take_batch(door, body, caller, place)
            await self._publish([_convert(self._call, body, Sender(caller, wall()))], place)
            return JSONResponse({"success": True})
        finally:
            self._room.leave(place)

    async def _caller(self, door: Door, key: str | None, place: Place) -> Caller:
        caller = await door.keys.caller(key)
        caller.require("events:write", shop_keys=True)
        self._room.belongs_to(place, caller.key_id)
        return caller

    async def _body(self, request: Request, place: Place) -> bytes:
        """The body, inflated when it is gzip; a text/plain body is JSON like any other."""
        pieces: list[bytes] = []
        async for piece in request.stream():
            self._room.take(place, len(piece))
            pieces.append(piece)
        body = b"".join(pieces)
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding == "gzip":
            self._room.take(place, self._limit)
            return _inflate(body, self._limit)
        if encoding != "identity":
            raise Invalid("a body comes as it is or as gzip", code="encoding-unknown")
        return body

    async def _take_batch(self, door: Door, body: bytes, caller: Caller, place: Place) -> Response:
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
        await self._publish(good, place)
        await _park(door, bad)
        errors = [
            {"pointer": f"/batch/{number}{error.pointer or ''}", "code": error.code, "detail": error.detail}
            for number, _, error in bad
        ]
        return JSONResponse({"success": not bad, "taken": len(good), "errors": errors})

    async def _publish(self, out: list[Outgoing], place: Place) -> None:
        """The broker has acknowledged all of it; what it has not in time still goes there when it can."""
        self._room.take(place, sum(len(body) + EVENT_BYTES for _, _, body in out))
        place.waiting = self._bundles.add(out)
        try:
            async with asyncio.timeout(_ACKNOWLEDGED_WITHIN):
                # Shielded: what one request no longer waits for, others may.
                await asyncio.gather(*(asyncio.shield(each) for each in place.waiting))
        except (KafkaError, TimeoutError, OSError) as error:
            raise Unavailable("the broker does not acknowledge; send it again, the messageId makes it once") from error


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid("the body is not gzip, although it says so", code="gzip-invalid") from error
    if len(inflated) > limit:
        raise TooLarge(f"the body has more than {limit} bytes when inflated", code="body-too-large")
    if not inflater.eof or inflater.unused_data:
        raise Invalid("the body is not one whole gzip stream", code="gzip-invalid")
    return inflated


def _write_key(body: bytes) -> str | None:
    try:
        return _signed.decode(body).write_key
    except _UNREADABLE:
        return None


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
        detail = "a key that may do nothing but events:write is a browser's; orders are sent by a server's"
        raise Forbidden(detail, code="order-events-need-server-key", pointer="/event")
    if message.properties.shop_id is not None:
        caller.require_shop(message.properties.shop_id, "/properties/shop_id")


def _pointer(detail: str) -> str | None:
    _, found, path = detail.partition(" - at `$")
    return path.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/") if found else None


async def _park(door: Door, bad: list[tuple[int, bytes, Refusal]]) -> None:
    # What was not the sender's to send is no loss: parked, whoever reads a browser's key could fill our database.
    bad = [each for each in bad if not isinstance(each[2], Forbidden)]
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


def add_ingest(app: FastAPI, room_bytes: int) -> None:
    """`room_bytes` is what the door holds in memory at the most while the broker is behind."""
    room, bundles = Room(room_bytes), Bundles(app.state)
    app.router.routes.extend(
        Route(path, from_anywhere(Ingest(call, room, bundles)), methods=["POST", "OPTIONS"])
        for path, call in PATHS.items()
    )
    describe_ingest(app, PATHS)
