"""Around every request: refuse cross-site writes, mark API answers, and log one line."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Container
from itertools import count
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.metrics import Metrics
from server.problems import error_response

logger = logging.getLogger("driftline.requests")

_READING = ("GET", "HEAD", "OPTIONS")


class CrossSiteGuard:
    """Refuses writes that another site's page makes, but for the origins that are allowed."""

    def __init__(self, app: ASGIApp, allowed_origins: Container[str]) -> None:
        self._app = app
        self._allowed = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _READING:
            headers = Headers(scope=scope)
            foreign = headers.get("sec-fetch-site") == "cross-site"
            if foreign and headers.get("origin") not in self._allowed:
                message = "Requests from other sites are refused."
                return await error_response(403, "cross_site", message)(scope, receive, send)
        return await self._app(scope, receive, send)


class ApiHeaders:
    """Keeps answers of the API out of every cache."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/api"):
            return await self._app(scope, receive, send)

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        return await self._app(scope, receive, send_marked)


class RequestLog:
    """Logs one line for every request, and times it; never the texts that it carries.

    The line holds method, path, status, duration and an id, which the API's answer carries as
    `X-Request-Id`. An endpoint may add ids and numbers as `request.state.note`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        # The system's random numbers cost a call of the system, and for an id this is as good.
        start = secrets.token_hex(4)
        self._ids = (f"{start}{number:08x}" for number in count(1))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request_id = next(self._ids)
        status = 0
        began = time.perf_counter()

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._metrics.answered(_route(scope), status, time.perf_counter() - began)
                if scope["path"].startswith("/api"):
                    MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            return await self._app(scope, receive, send_noted)
        except Exception:
            if not status:
                status = 500
                self._metrics.answered(_route(scope), status, time.perf_counter() - began)
            raise
        finally:
            took = (time.perf_counter() - began) * 1000
            note = scope.get("state", {}).get("note", "")
            line = "%s %s status=%d ms=%.1f request=%s%s"
            logger.info(line, scope["method"], quote(scope["path"]), status, took, request_id, note)


def _route(scope: Scope) -> str:
    """Return the pattern of the request's path, so that paths with ids count as one."""
    route = scope.get("route")
    return getattr(route, "path_format", "other")
