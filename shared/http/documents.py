"""What a service's OpenAPI document says beyond its routes: who may call, what is refused, repeating, examples."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from fastapi import FastAPI

from shared.errors import TITLES, Refusal, problem
from shared.http.examples import Examples, NoExample, example_of
from shared.http.problems import MEDIA_TYPE

# By path: a POST that FastAPI does not know, and the components that it refers to.
Described = dict[str, tuple[dict[str, Any], dict[str, Any]]]
# By status: the codes of the problems that an operation may answer with.
Codes = Mapping[int, Iterable[str]]

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
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": dict.fromkeys(("pointer", "code", "detail"), _TEXT),
            },
        },
    },
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Makes repeating safe: for a week the same key with the same request gets the stored answer, with "
    "`Idempotent-Replayed: true`, and nothing is done again. With another request it is refused "
    "(`idempotency-key-reused`), and while the first one runs too (`request-in-progress`).",
    "example": "0f8fad5b-d9cb-469f-a165-70867728950e",
}
_REPLAYED = {"schema": {"const": "true"}, "description": "the stored answer of the first request with this key"}
_RETRY_AFTER = {"schema": {"type": "string"}, "description": "seconds after which to try again"}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "`cbk_live_<id>_<secret>`; each operation names the scope that the key must hold. "
    "With `x-shop-keys` it is open to keys that are bound to a shop, for what is that shop's.",
}
_BASIC = {"type": "http", "scheme": "basic", "description": "The same key as the user, without a password."}


def complete(app: FastAPI, examples: Examples) -> None:
    """`app.openapi()` declares what the door does to every route; `examples` say what each field looks like."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _declare(method, path, operation)
            document["paths"] |= {path: {"post": operation} for path, (operation, _) in _described(app).items()}
            components = document.setdefault("components", {})
            components["schemas"] = _with_problem(components.get("schemas", {}))
            for _, schemas in _described(app).values():
                components["schemas"] |= schemas
            components["securitySchemes"] = {"key": _KEY, **({"basic": _BASIC} if _described(app) else {})}
            _add_examples(document, examples)
        return app.openapi_schema or {}

    app.openapi = openapi


def describe(app: FastAPI, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Adds a POST that FastAPI does not know; `schemas` are the components that it refers to."""
    _described(app)[path] = (operation, schemas)


def codes_of(refusals: Iterable[type[Refusal]]) -> dict[str, list[str]]:
    """By status, as an operation's `x-refuses` holds them until its document is made."""
    found: dict[str, list[str]] = {}
    for each in refusals:
        found.setdefault(str(each.status), []).extend(each.codes or (each.code,))
    return found


def refusals(codes: Codes, instance: str) -> dict[str, Any]:
    """The responses of an operation that may answer with these problems; `instance` is its path."""
    return {str(status): _refusal(status, sorted(set(each)), instance) for status, each in sorted(codes.items())}


def _refusal(status: int, codes: list[str], instance: str) -> dict[str, Any]:
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "examples": {code: {"value": _problem(status, code, instance)} for code in codes},
    }
    named = ", ".join(f"`{code}`" for code in codes)
    headers = {"headers": {"Retry-After": _RETRY_AFTER}} if status in (429, 503) else {}
    response = {"description": f"{TITLES[status]}: {named}", "x-codes": codes, **headers}
    return {**response, "content": {MEDIA_TYPE: content}}


def _problem(status: int, code: str, instance: str) -> dict[str, Any]:
    return problem(
        status=status,
        code=code,
        detail=code.replace("-", " "),
        instance=instance,
        request_id="req_2k7vace58xgk13219y0rq6wm",
        errors=[],
    )


def _described(app: FastAPI) -> Described:
    found: Described | None = getattr(app.state, "described", None)
    if found is None:
        found = app.state.described = {}
    return found


def _declare(method: str, path: str, operation: dict[str, Any]) -> None:
    operation["summary"] = operation["summary"].capitalize()
    operation["security"] = [{"key": [operation["x-scope"]]}]
    codes = _codes_of_the_door(method, path, operation)
    for status, own in operation.pop("x-refuses").items():
        codes.setdefault(int(status), []).extend(own)
    # FastAPI's own 422 goes: it is none of ours.
    given = {status: each for status, each in operation["responses"].items() if status < "400"}
    if method != "get":
        operation["parameters"] = [*operation.get("parameters", []), _IDEMPOTENCY_KEY]
        for each in given.values():
            each["headers"] = {"Idempotent-Replayed": _REPLAYED}
    operation["responses"] = dict(sorted((given | refusals(codes, path)).items()))


def _codes_of_the_door(method: str, path: str, operation: dict[str, Any]) -> dict[int, list[str]]:
    """What is refused before, or around, the route itself."""
    parameters = [each["name"] for each in operation.get("parameters", [])]
    codes = {401: ["key-missing", "key-unknown"], 403: ["scope-missing"], 503: ["unavailable"]}
    if not operation["x-shop-keys"]:
        codes[403].append("shop-bound-key")
    if "{" in path:
        codes[404] = ["route-not-found"]  # an id with a slash in it leads elsewhere
    if parameters or "requestBody" in operation:
        codes[422] = ["invalid"] + (["cursor-invalid"] if "cursor" in parameters else [])
    if method != "get":
        codes[409], codes[413] = ["request-in-progress"], ["body-too-large"]
        codes.setdefault(422, []).extend(["idempotency-key-invalid", "idempotency-key-reused"])
    if "requestBody" in operation:
        codes[400] = ["malformed"]
    return codes


def _with_problem(schemas: dict[str, Any]) -> dict[str, Any]:
    # FastAPI's own shape of a validation error never leaves the door.
    kept = {name: schema for name, schema in schemas.items() if name not in ("HTTPValidationError", "ValidationError")}
    return kept | {"Problem": _PROBLEM}


def _add_examples(document: dict[str, Any], examples: Examples) -> None:
    """Wherever a body has none; one that nobody can make up is left out, which a test finds."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                for media in body.get("content", {}).values():
                    if "example" not in media and "examples" not in media:
                        with suppress(NoExample):
                            media["example"] = example_of(media["schema"], document["components"]["schemas"], examples)
