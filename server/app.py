"""The server's ASGI app, put together from its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app import __version__
from app.core.collections import registry as all_actions
from app.protocol import SyncRequest
from server import events, health, rest, sync
from server import webpush as webpush_routes
from server.compression import Compressor
from server.database import Database
from server.guards import ApiHeaders, CrossSiteGuard, RequestLog
from server.metrics import Metrics
from server.migrations import migrate
from server.precache import whole_site
from server.problems import install_handlers
from server.services import Clock, Services, wall_clock
from server.settings import Settings
from server.static import StaticSite
from server.streams import Streams
from server.webpush_sender import WebPush


def create_app(settings: Settings, clock: Clock = wall_clock) -> FastAPI:
    """Return the app: the API, and the static site where `settings.site_root` names one.

    The database is opened and migrated at once. `clock` returns microseconds since the epoch.
    Raises `DriftlineError` where the settings, the database or the site do not allow a start.
    """
    site = None if settings.site_root is None else _site(settings.site_root, settings)
    services = _services(settings, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with services.pokes.listening():
            yield
        services.close()

    app = FastAPI(
        title="Driftline",
        version=__version__,
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its metrics and logs are those of `server/metrics.py` and `server/guards.py`.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.services = services
    # Replacing the method is how FastAPI lets the document be extended.
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # see above
    install_handlers(app)
    for module in (health, sync, events, webpush_routes, rest):
        app.include_router(module.router)
    if site is not None:
        app.router.default = site
    lane = sync.Lane(app.build_middleware_stack())
    app.middleware_stack = _guarded(lane, settings.allowed_origins, services.metrics)
    return app


def _guarded(app: ASGIApp, allowed_origins: tuple[str, ...], metrics: Metrics) -> ASGIApp:
    """Put the guards around an app, one after the other."""
    if allowed_origins:
        app = CORSMiddleware(
            app,
            allow_origins=list(allowed_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Content-Type", "If-Match", "Idempotency-Key", "X-Client-Id"],
            expose_headers=["ETag", "Location", "Retry-After"],
        )
    return RequestLog(ApiHeaders(CrossSiteGuard(app, allowed_origins)), metrics)


def _services(settings: Settings, clock: Clock) -> Services:
    database = Database(settings.database)
    migrate(database)
    streams = Streams(settings.max_streams_per_user, settings.max_streams)
    webpush = WebPush(database, settings.push_contact, clock, loopback=settings.push_loopback)
    return Services(database, all_actions, clock, streams, webpush)


def _site(root: Path, settings: Settings) -> StaticSite:
    files = whole_site(root, settings)
    compressor = Compressor(root / "runtime" / ".cache" / "gzip")
    compressor.prune(files)
    return StaticSite(files, compressor, settings.api_url)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Return the API's description; `sync` parses its body itself, so its model is added here."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=__doc__, routes=app.routes
        )
        template = "#/components/schemas/{model}"
        schema = SyncRequest.model_json_schema(ref_template=template)
        models = schema.pop("$defs")
        document["components"]["schemas"] |= {**models, SyncRequest.__name__: schema}
        app.openapi_schema = document
    return app.openapi_schema
