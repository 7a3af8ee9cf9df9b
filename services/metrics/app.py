"""Metrics' HTTP process: the figures of campaigns and of the whole business."""

from fastapi import FastAPI

from services.metrics import routes
from services.metrics.settings import Settings
from shared.http.app import create_app, serve


def make_app(settings: Settings) -> FastAPI:
    return create_app("metrics", settings, routes.ROUTERS, examples=routes.EXAMPLES)


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    serve("metrics", settings, make_app(settings))


if __name__ == "__main__":
    main()
