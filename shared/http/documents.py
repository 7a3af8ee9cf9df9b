"""What a service's OpenAPI document says beyond its routes: the errors of each, the key, repeatable POSTs."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from shared.errors import TITLES
from shared.http.problems import MEDIA_TYPE

# By path: a POST that FastAPI does not know, and the components that it refers to.
Described = dict[str, tuple[dict[str, Any], dict[str, Any]]]

_EVERYWHERE = (401, 403, 404, 422, 503)
_WRITING = (400, 409, 413)
_TEXT = {"type": "string"}
_PROBLEM = {
    "title": "Problem",
    "description": "RFC 9457 problem details; `code` is what programs look at, `errors` points at each broken rule.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "errors"],
    "properties": {
        **dict.fromkeys(("type", "title", "detail", "instance", "code", "request_id"), _TEXT),
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": dict.fromkeys(("pointer", "code", "detail"), _TEXT)},
        },
    },
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "For a week, the same key and body again get the stored answer.",
}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "`cbk_live_<id>_<secret>`; `x-scope` says what it must hold.",
}


def complete(app: FastAPI) -> None:
    """`app.openapi()` declares what the door does to every route."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for operations in document["paths"].values():
                for method, operation in operations.items():
                    _declare(method, operation)
            document["paths"] |= {path: {"post": operation} for path, (operation, _) in _described(app).items()}
            components = document.setdefault("components", {})
            components["schemas"] = _with_problem(components.get("schemas", {}))
            for _, schemas in _described(app).values():
                components["schemas"] |= schemas
            components["securitySchemes"] = {"key": _KEY}
            document["security"] = [{"key": []}]
        return app.openapi_schema or {}

    app.openapi = openapi


def describe(app: FastAPI, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Adds a POST that FastAPI does not know; `schemas` are the components that it refers to."""
    _described(app)[path] = (operation, schemas)


def refusals(statuses: Iterable[int]) -> dict[str, Any]:
    """The responses of an operation that may answer with these problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": TITLES[status], "content": content} for status in statuses}


def _described(app: FastAPI) -> Described:
    found: Described | None = getattr(app.state, "described", None)
    if found is None:
        found = app.state.described = {}
    return found


def _declare(method: str, operation: dict[str, Any]) -> None:
    statuses = _EVERYWHERE if method == "get" else sorted(_EVERYWHERE + _WRITING)
    operation["responses"] = dict(sorted((operation["responses"] | refusals(statuses)).items()))
    if method == "post":
        operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]


def _with_problem(schemas: dict[str, Any]) -> dict[str, Any]:
    # FastAPI's own shape of a validation error never leaves the door.
    kept = {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
    return kept | {"Problem": _PROBLEM}
