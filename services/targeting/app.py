"""Targeting's HTTP process: campaigns and decisions."""

from fastapi import FastAPI

from services.targeting import routes
from services.targeting.settings import Settings
from shared.http.app import create_app, serve


def make_app(settings: Settings) -> FastAPI:
    return create_app("targeting", settings, routes.ROUTERS, body_limits=routes.BODY_LIMITS, examples=routes.EXAMPLES)


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    serve("targeting", settings, make_app(settings))


if __name__ == "__main__":
    main()
