"""The HTTP door: who may pass, one transaction a request, repeatable POSTs, and the commit before the answer leaves."""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from shared import outbox
from shared.clock import wall
from shared.database import Database, Session, execute, fetch_one, fetch_value, savepoint
from shared.errors import Conflict, Invalid, Refusal
from shared.http import documents, problems
from shared.http.keys import Caller, Keys, Scope, credential
from shared.timekeeper import get_clock

_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Door:
    """What a request needs of its process; `app.state.door`."""

    database: Database
    keys: Keys
    info: dict[str, Any]
    wall_clock: bool


def access(scope: Scope, *refuses: type[Refusal], shop_keys: bool = False) -> dict[str, Any]:
    """Declares who may call a route, and what it refuses beyond what the door does. Each route must:
    `@router.get(path, **access("coupons:read", CouponNotFound))`."""
    extra = {"x-scope": scope, "x-shop-keys": shop_keys, "x-refuses": documents.codes_of(refuses)}
    return {"openapi_extra": extra}


class DoorRoute(APIRoute):
    """A route whose request is one transaction."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        extra = self.openapi_extra or {}
        if "x-scope" not in extra:
            raise AssertionError(f"{self.path} declares no scope; add **access(...)")

        async def handle(request: Request) -> Response:
            try:
                door: Door = request.app.state.door
                caller = await door.keys.caller(credential(request.headers.get("authorization")))
                caller.require(extra["x-scope"], shop_keys=extra["x-shop-keys"])
                request.state.caller = caller
                return await _in_transaction(door, request, inner)
            except RequestValidationError as error:
                return problems.of_validation(request, error)
            except Refusal as error:
                return problems.of_refusal(request, error)
            except HTTPException as error:
                # FastAPI says 400 for whatever happens while it reads a body.
                cause = error.__cause__
                if isinstance(cause, Refusal):
                    return problems.of_refusal(request, cause)
                return problems.of_http(request, error)
            except Exception as error:
                return problems.of_failure(request, error)

        return handle


Inner = Callable[[Request], Coroutine[Any, Any, Response]]


async def _in_transaction(door: Door, request: Request, inner: Inner) -> Response:
    key = request.headers.get("idempotency-key")
    async with door.database.transaction() as session:
        session.info.update(door.info)
        request.state.session = session
        request.state.now = wall() if door.wall_clock else await get_clock(session)
        if request.method in _READING or key is None:
            response = await inner(request)
        else:
            response = await _once(session, request, key, inner)
        await outbox.flush(session)
    return response


async def _once(session: Session, request: Request, key: str, inner: Inner) -> Response:
    """Does the request, or repeats the answer that the same key was given before; refusals are answers too."""
    if not 0 < len(key) <= 255:
        raise Invalid("an Idempotency-Key has 1 to 255 characters", code="idempotency-key-invalid")
    caller: Caller = request.state.caller
    # Tried first: whoever comes while the first one runs is told so, and does not wait.
    if not await fetch_value(session, "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7))", caller.key_id + key):
        raise Conflict("the first request with this Idempotency-Key is still running", code="request-in-progress")
    asked = hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + await request.body()).hexdigest()
    stored = await fetch_one(
        session,
        """SELECT request_hash, status, body, media_type FROM idempotency_keys
           WHERE key_id = $1 AND idempotency_key = $2""",
        caller.key_id,
        key,
    )
    if stored is None:
        session.info["idempotency"] = f"{caller.key_id} {key}"
        response = await _answer(session, request, inner)
        await _store(session, caller.key_id, key, asked, response)
        return response
    if stored["request_hash"] != asked:
        raise Invalid("this Idempotency-Key came with another request before", code="idempotency-key-reused")
    headers = {"Idempotent-Replayed": "true"}
    return Response(stored["body"], stored["status"], headers=headers, media_type=stored["media_type"] or None)


async def _answer(session: Session, request: Request, inner: Inner) -> Response:
    try:
        async with savepoint(session):
            return await inner(request)
    except Refusal as error:
        session.info.pop("outbox", None)
        return problems.of_refusal(request, error)


async def _store(session: Session, key_id: str, key: str, asked: str, response: Response) -> None:
    await execute(
        session,
        """INSERT INTO idempotency_keys (key_id, idempotency_key, request_hash, status, body, media_type)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        key_id,
        key,
        asked,
        response.status_code,
        bytes(response.body),
        response.headers.get("content-type", ""),
    )


# Coroutines, because FastAPI sends plain functions to a thread each: three for every request.
async def _session(request: Request) -> Session:
    return request.state.session


async def _now(request: Request) -> datetime:
    return request.state.now


async def _caller(request: Request) -> Caller:
    return request.state.caller


SessionOf = Annotated[Session, Depends(_session)]
Now = Annotated[datetime, Depends(_now)]
CallerOf = Annotated[Caller, Depends(_caller)]


def router(tag: str) -> APIRouter:
    """A service's routes: all pass the door."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=DoorRoute)
