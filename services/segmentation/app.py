"""Segmentation's HTTP process: segments, and lifecycle stages as of any instant."""

from fastapi import FastAPI

from services.segmentation import routes
from services.segmentation.settings import Settings
from shared.http.app import create_app, serve


def make_app(settings: Settings) -> FastAPI:
    return create_app("segmentation", settings, routes.ROUTERS, examples=routes.EXAMPLES)


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    serve("segmentation", settings, make_app(settings))


if __name__ == "__main__":
    main()
