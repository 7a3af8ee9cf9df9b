"""Profile's HTTP process: customers, orders, and the ingest of storefront events."""

from fastapi import FastAPI

from services.profile import routes
from services.profile.settings import Settings
from shared.http.app import create_app, serve


def make_app(settings: Settings) -> FastAPI:
    app = create_app("profile", settings, routes.ROUTERS, body_limits=routes.BODY_LIMITS, examples=routes.EXAMPLES)
    routes.add_ingest(app)
    return app


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    serve("profile", settings, make_app(settings))


if __name__ == "__main__":
    main()
