"""The whole server app, asked from code that does not wait: its event loop has its own thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack

import httpx
from anyio.from_thread import start_blocking_portal

from app.ports import HttpResponse
from server.app import create_app
from server.settings import Settings


class AppInProcess:
    """`server.app` on a database, until closed; `now` gives microseconds since the epoch."""

    def __init__(self, database: str, now: Callable[[], int]) -> None:
        app = create_app(Settings(database=database), now)
        self._transport = httpx.ASGITransport(app)
        self._open = ExitStack()
        self._portal = self._open.enter_context(start_blocking_portal())
        lifespan = app.router.lifespan_context(app)
        self._open.enter_context(self._portal.wrap_async_context_manager(lifespan))

    def ask(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        """Make one request."""
        return self._portal.call(self._ask, method, url, body, headers)

    async def _ask(
        self, method: str, url: str, body: str | None, headers: Mapping[str, str]
    ) -> HttpResponse:
        declared = {"content-type": "application/json"} if body is not None else {}
        async with httpx.AsyncClient(transport=self._transport) as http:
            given = await http.request(method, url, content=body, headers={**headers, **declared})
        return HttpResponse(given.status_code, given.text, dict(given.headers))

    def close(self) -> None:
        """End the app."""
        self._open.close()
