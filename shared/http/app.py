"""Builds a service's HTTP process: the door, health, metrics, the clock, problem details, one log line a request."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from shared import metrics, migrations, tracing
from shared.database import Database, fetch_value
from shared.http import documents, problems, routes
from shared.http.door import Door, SessionOf, access, router
from shared.http.examples import Examples
from shared.http.keys import Keys
from shared.http.middleware import Requests
from shared.ids import Ids
from shared.kafka import Producer
from shared.settings import ServiceSettings
from shared.telemetry import configure, log
from shared.timekeeper import get_clock
from shared.version import VERSION


class ClockAnswer(BaseModel):
    at: datetime


clock_routes = router("runtime")


@clock_routes.get("/clock", **access("metrics:read", shop_keys=True))
async def get_clock_of_service(session: SessionOf) -> ClockAnswer:
    """The service's clock: everything up to this instant is known and decided."""
    return ClockAnswer(at=await get_clock(session))


_BODY_LIMIT = 1_000_000


def create_app(
    service: str,
    settings: ServiceSettings,
    routers: list[APIRouter],
    *,
    body_limits: dict[str, int] | None = None,
    examples: Examples | None = None,
    **info: Any,
) -> FastAPI:
    """The app of a service; `examples` go into its OpenAPI document, `info` is what its actions find in
    `session.info`."""
    ids = Ids(settings.secret)
    database = Database(settings.database_url, statement_seconds=settings.statement_seconds)
    producer = Producer(settings.kafka_bootstrap, linger_ms=5)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        starting = asyncio.create_task(producer.start_when_possible())
        yield
        starting.cancel()
        await producer.stop()
        await database.close()
        tracing.stop()

    app = FastAPI(
        title=f"Comeback {service}",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        swagger_ui_oauth2_redirect_url=None,
        generate_unique_id_function=_operation_id(service),
    )
    app.state.door = Door(
        database, Keys(database, ids), {"service": service, "ids": ids, **info}, settings.clock == "wall"
    )
    app.state.producer = producer
    routes.include(app, [clock_routes, *routers])
    _add_health(app, service, database, producer)
    problems.install(app)
    documents.complete(app, examples or {})
    _add_page(app)
    app.add_middleware(Requests, default=_BODY_LIMIT, limits=body_limits or {})
    return app


def _operation_id(service: str) -> Callable[[APIRoute], str]:
    return lambda route: f"{service}-{route.name.replace('_', '-')}"


def _add_page(app: FastAPI) -> None:
    """`/docs`, from files that are installed here: nothing comes from anybody else's server."""
    assets = "/docs/assets"
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=app.title,
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon-32x32.png",
        swagger_ui_parameters={"persistAuthorization": True, "tryItOutEnabled": True},
    )

    async def docs() -> HTMLResponse:
        return page

    app.add_api_route("/docs", docs, include_in_schema=False)
    app.mount(assets, StaticFiles(packages=[("fastapi_swagger", "resources")]))


def _add_health(app: FastAPI, service: str, database: Database, producer: Producer) -> None:
    async def live() -> JSONResponse:
        return JSONResponse({"status": "live"})

    async def ready() -> JSONResponse:
        missing = [name for name, check in _checks(service, database, producer) if not await check]
        return JSONResponse({"ready": not missing, "missing": missing}, 503 if missing else 200)

    async def figures(request: Request) -> Response:
        body, media_type = metrics.page(request.headers.get("accept", ""))
        return Response(body, media_type=media_type)

    app.add_api_route("/health/live", live, include_in_schema=False)
    app.add_api_route("/health/ready", ready, include_in_schema=False)
    app.add_api_route("/metrics", figures, include_in_schema=False)


def _checks(service: str, database: Database, producer: Producer) -> list[tuple[str, Awaitable[bool]]]:
    return [("database and migrations", _migrated(service, database)), ("broker", producer.ready())]


async def _migrated(service: str, database: Database) -> bool:
    try:
        async with database.transaction() as session:
            version = await fetch_value(session, "SELECT version_num FROM alembic_version")
    except Exception as error:
        log.warning("health.database", reason=repr(error))
        return False
    return version == migrations.head(service)


def serve(service: str, settings: ServiceSettings, app: Any) -> None:
    """Blocks until a signal."""
    configure(service, "http", settings.log_level)
    tracing.start(service, settings.otlp_endpoint)
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=20,
    )
