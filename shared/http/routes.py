"""The routes of an app, those of its routers included, which FastAPI keeps out of the app's own list."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, FastAPI
from starlette.routing import Route


def include(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    app.state.routers = list(routers)
    for each in app.state.routers:
        app.include_router(each)


def routes_of(app: FastAPI) -> Iterator[Route]:
    routers: list[APIRouter] = getattr(app.state, "routers", [])
    for router in (app.router, *routers):
        yield from (route for route in router.routes if isinstance(route, Route))


def methods_of(app: FastAPI, path: str) -> list[str]:
    """What may be asked of this path; of one that is written out, not what an id in its place would allow."""
    there = [route for route in routes_of(app) if route.path_regex.match(path)]
    there = [route for route in there if route.path == path] or there
    return sorted({method for route in there for method in route.methods or ()})
