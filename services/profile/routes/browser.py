"""What a browser's SDK needs besides the calls: leave to call from a shop's pages, and the document it starts with."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from shared.errors import Refusal
from shared.http import problems
from shared.http.door import Door, access
from shared.http.keys import credential

_ALL: dict[str, Any] = {"enabled": True, "integrations": {}}


def from_anywhere(app: ASGIApp) -> ASGIApp:
    """Scripts of any origin may call and read the answer: who may do what is the key's affair, there are no cookies."""
    return CORSMiddleware(
        app,
        allow_origins=["*"],
        allow_methods=["POST"],
        allow_headers=["Authorization", "Content-Encoding", "Content-Type", "X-Retry-Count"],
        expose_headers=["Retry-After", "X-Request-Id"],
        max_age=86_400,
    )


class _OpenRoute(APIRoute):
    """A GET whose answer scripts of any origin may read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await inner(request)
            except Refusal as error:
                response = problems.of_refusal(request, error)
            except Exception as error:
                response = problems.of_failure(request, error)
            response.headers["Access-Control-Allow-Origin"] = "*"
            return response

        return handle


router = APIRouter(prefix="/v1", tags=["browser"], route_class=_OpenRoute)


_EXAMPLE = {
    "integrations": {"Segment.io": {"apiHost": "shop.example/v1", "protocol": "https"}},
    "analyticsNextEnabled": True,
}


@router.get(
    "/projects/{write_key}/settings",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
    **access("events:write", shop_keys=True),
)
async def get_settings_document(
    request: Request, write_key: Annotated[str, Path(description="the key that the page will write with")]
) -> JSONResponse:
    """What `@segment/analytics-next` starts with: where to send its calls, and that there is nobody else to tell."""
    door: Door = request.app.state.door
    key = credential(request.headers.get("authorization")) or (write_key if write_key.startswith("cbk_") else None)
    (await door.keys.caller(key)).require("events:write", shop_keys=True)
    base = request.base_url
    destination = {
        "apiKey": write_key,
        "apiHost": f"{base.netloc}{base.path}v1",
        "protocol": base.scheme,
        "addBundledMetadata": False,
        "deliveryStrategy": {"strategy": "standard"},
    }
    document: dict[str, Any] = {
        "integrations": {"Segment.io": destination},
        "plan": {call: {"__default": _ALL} for call in ("track", "identify", "group")},
        "edgeFunction": {},
        "enabledMiddleware": {},
        "middlewareSettings": {},
        "remotePlugins": [],
        "analyticsNextEnabled": True,
        "legacyVideoPluginsEnabled": False,
        "metrics": {"sampleRate": 0},
    }
    return JSONResponse(document, headers={"Cache-Control": "private, max-age=60"})
