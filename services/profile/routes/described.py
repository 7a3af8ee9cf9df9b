"""What the ingest door says of itself in the OpenAPI document; being bare ASGI, nothing is read off its functions."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI

from services.profile.schemas.calls import Batch, IdentifyMessage, Message, OrderMessage
from shared.http import documents

_REF = "#/components/schemas/{name}"
_SUMMARIES = {
    "identify": "Says who a customer is.",
    "track": "Tells what a customer did: an order's steps by Segment's names, or anything else as a visit.",
    "page": "Tells that a customer looked at a page.",
    "screen": "Tells that a customer looked at a screen of an app.",
    "alias": "Says that a customer has another id; nobody is merged.",
    "group": "Says that a customer belongs to a group; it is kept, and not used yet.",
    "batch": "Many calls at once: the good ones are taken, each bad one is reported and parked.",
}
_EXAMPLES: dict[str, Any] = {
    "identify": {"userId": "c-17", "messageId": "m-1", "traits": {"member": True}},
    "track": {
        "userId": "c-17",
        "messageId": "m-2",
        "event": "Order Completed",
        "timestamp": "2026-11-22T10:15:00Z",
        "properties": {"order_id": "o-1001", "shop_id": "berlin", "total": 49.90, "currency": "EUR"},
    },
    "page": {"anonymousId": "a-5", "messageId": "m-3", "name": "Home"},
    "screen": {"userId": "c-17", "messageId": "m-4", "name": "Basket"},
    "alias": {"userId": "c-17", "previousId": "a-5", "messageId": "m-5"},
    "group": {"userId": "c-17", "groupId": "household-3", "messageId": "m-6"},
}
_EXAMPLES["batch"] = {"batch": [{"type": "track", **_EXAMPLES["track"]}, {"type": "page", **_EXAMPLES["page"]}]}
_CODES = {
    401: ["key-missing", "key-unknown"],
    403: ["scope-missing", "shop-bound-key"],
    413: ["body-too-large"],
    422: ["encoding-unknown", "gzip-invalid", "invalid", "malformed"],
    429: ["back-pressure"],
    503: ["unavailable"],
}
_OF_ONE_EVENT = {
    403: ["order-events-need-server-key"],
    413: ["event-too-large"],
    422: [
        "event-missing",
        "group-id-missing",
        "money-invalid",
        "money-missing",
        "order-id-missing",
        "person-missing",
        "previous-id-missing",
        "type-unknown",
    ],
}
_DESCRIPTION = """As Segment's SDKs send it; `messageId` makes it once. Answered when the broker has acknowledged.
The key may also come as the user of Basic, or as `writeKey` in the body; a `text/plain` body is JSON too."""
_SHAPES = {"batch": Batch, "identify": IdentifyMessage, "track": OrderMessage}


def describe_ingest(app: FastAPI, paths: Mapping[str, str]) -> None:
    """`paths` lead to the call that each of them takes."""
    kinds = [Message, *_SHAPES.values()]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    for amount in ("total", "revenue"):
        # msgspec names texts only, although it reads a Decimal from numbers too, and most send these.
        schemas["OrderProperties"]["properties"][amount]["anyOf"].insert(0, {"type": "number"})
    for path, call in paths.items():
        documents.describe(app, path, _operation(call, path), schemas)


def _operation(call: str, path: str) -> dict[str, Any]:
    shape = {"$ref": _REF.format(name=_SHAPES.get(call, Message).__name__)}
    answer = _ANSWERS["batch" if call == "batch" else "one"]
    taken = {"type": "object", "required": list(answer), "properties": answer}
    return {
        "tags": ["ingest"],
        "summary": _SUMMARIES[call],
        "description": _DESCRIPTION,
        "operationId": f"profile-{call}" if path.endswith(call) else f"profile-{call}-short",
        "x-scope": "events:write",
        "x-shop-keys": True,
        "security": [{"key": ["events:write"]}, {"basic": ["events:write"]}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": shape, "example": _EXAMPLES[call]}},
        },
        "responses": {
            "200": {"description": "Taken.", "content": {"application/json": {"schema": taken}}},
            **documents.refusals(_codes(call), path),
        },
    }


def _codes(call: str) -> dict[int, list[str]]:
    """Of a batch, what is wrong with one event is reported in the answer, for the others are taken."""
    if call == "batch":
        return _CODES
    return {status: [*codes, *_OF_ONE_EVENT.get(status, [])] for status, codes in _CODES.items()}


_ANSWERS: dict[str, dict[str, Any]] = {
    "one": {"success": {"type": "boolean"}},
    "batch": {
        "success": {"type": "boolean"},
        "taken": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {name: {"type": "string"} for name in ("pointer", "code", "detail")},
            },
        },
    },
}
