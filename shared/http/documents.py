"""What a service's OpenAPI document says beyond its routes: the errors of each, the key, repeatable POSTs."""

from typing import Any

from fastapi import FastAPI

from shared.errors import TITLES
from shared.http.problems import MEDIA_TYPE

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
    "description": "The same key and body again get the stored answer.",
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
            components = document.setdefault("components", {})
            components["schemas"] = _with_problem(components.get("schemas", {}))
            components["securitySchemes"] = {"key": _KEY}
            document["security"] = [{"key": []}]
        return app.openapi_schema or {}

    app.openapi = openapi


def _declare(method: str, operation: dict[str, Any]) -> None:
    statuses = _EVERYWHERE if method == "get" else sorted(_EVERYWHERE + _WRITING)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status in statuses:
        operation["responses"][str(status)] = {"description": TITLES[status], "content": content}
    operation["responses"] = dict(sorted(operation["responses"].items()))
    if method == "post":
        operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]


def _with_problem(schemas: dict[str, Any]) -> dict[str, Any]:
    # FastAPI's own shape of a validation error never leaves the door.
    kept = {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
    return kept | {"Problem": _PROBLEM}
