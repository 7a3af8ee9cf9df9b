"""Coupons' HTTP process: templates, coupons, validations and redemptions."""

from fastapi import FastAPI

from services.coupons import routes
from services.coupons.settings import Settings
from shared.http.app import create_app, serve


def make_app(settings: Settings) -> FastAPI:
    return create_app("coupons", settings, routes.ROUTERS, examples=routes.EXAMPLES)


def main() -> None:
    settings = Settings()  # type: ignore[call-arg]
    serve("coupons", settings, make_app(settings))


if __name__ == "__main__":
    main()
