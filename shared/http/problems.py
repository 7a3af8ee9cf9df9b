"""Every error as `application/problem+json` (RFC 9457), whatever raised it."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from shared import metrics
from shared.database import is_refused_data, is_transient
from shared.errors import TITLES, Refusal, problem
from shared.http.routes import methods_of
from shared.telemetry import log

MEDIA_TYPE = "application/problem+json"
_CODES = {400: "malformed", 404: "route-not-found", 405: "method-not-allowed", 413: "too-large"}


def respond(
    request: Request, status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> Response:
    metrics.REFUSALS.labels(code).inc()
    body = problem(
        status=status,
        code=code,
        detail=detail,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", ""),
        errors=errors or [],
    )
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "1"}}.get(status)
    return JSONResponse(body, status, headers=headers, media_type=MEDIA_TYPE)


def of_refusal(request: Request, error: Refusal) -> Response:
    return respond(request, error.status, error.code, error.detail, error.errors)


def of_validation(request: Request, error: RequestValidationError) -> Response:
    """Each field that breaks a rule, by JSON pointer."""
    found = [
        {
            "pointer": _pointer(each, error.body),
            "code": str(each["type"]).replace("_", "-"),
            "detail": str(each["msg"]),
        }
        for each in error.errors()
    ]
    if any(each["code"] == "json-invalid" for each in found):
        return respond(request, 400, "malformed", "the body is not JSON", found)
    first = found[0]
    return respond(request, 422, "invalid", f"{first['pointer']}: {first['detail']}", found)


def of_failure(request: Request, error: Exception) -> Response:
    """Ours, not the caller's: a missing database is worth trying again, anything else is a bug."""
    if is_transient(error):
        log.warning("request.unavailable", path=request.url.path, reason=repr(error))
        return respond(request, 503, "unavailable", "the database does not answer; try again")
    if is_refused_data(error) or isinstance(error, UnicodeEncodeError):
        detail = "a value that cannot be stored: a broken character or a number out of range"
        return respond(request, 422, "invalid", detail)
    log.error("request.failed", path=request.url.path, reason=repr(error), exc_info=error)
    return respond(request, 500, "internal", "something broke here; the log has it under this request_id")


def _pointer(found: dict[str, Any], body: Any) -> str:
    # The first part says where: body, query, path or header. A pointer starts below it.
    parts: list[str] = []
    location = found["loc"][1:]
    for place, part in enumerate(location, 1):
        if isinstance(body, dict) and part not in body and not (found["type"] == "missing" and place == len(location)):
            continue  # pydantic's name for a member of a union: no field has it
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
        body = _below(body, part)
    return "/" + "/".join(parts)


def _below(value: Any, part: Any) -> Any:
    try:
        return value[part]
    except (LookupError, TypeError):
        return None


def of_http(request: Request, error: HTTPException) -> Response:
    code = _CODES.get(error.status_code, TITLES.get(error.status_code, "error").lower().replace(" ", "-"))
    response = respond(request, error.status_code, code, str(error.detail))
    if error.status_code == 405:
        # Starlette would name the methods of the first of the path's routes only.
        response.headers["Allow"] = ", ".join(methods_of(request.app, request.url.path))
    return response


def install(app: FastAPI) -> None:
    """For what never reaches a route: unknown paths and methods."""

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return of_http(request, error)

    async def on_refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return of_refusal(request, error)

    async def on_failure(request: Request, error: Exception) -> Response:
        return of_failure(request, error)

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Refusal, on_refusal)
    app.add_exception_handler(Exception, on_failure)
