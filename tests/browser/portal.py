"""A captive portal before a real server: `python -m tests.browser.portal`, options of serve.py.

`POST /__portal__ {"closed": true}` closes it: each call to the API is answered by a redirect to the
log-in page of another host, which lets every page read it. `GET /__portal__` tells how often that
page was asked for.
"""

from __future__ import annotations

import sys
from pathlib import Path

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from server.app import create_app as create_sound_app
from server.cli import main
from server.run import Servable
from server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
LOGIN = HTMLResponse("<title>Log in</title>", headers={"Access-Control-Allow-Origin": "*"})


class Portal:
    """The app, behind a portal that can be closed."""

    def __init__(self, app: Servable) -> None:
        self._app = app
        self._closed = False
        self._redirects = 0
        self._logins = 0

    @property
    def state(self) -> State:
        return self._app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/__portal__":
            answer: Response = await self._control(Request(scope, receive))
        elif path == "/login":
            self._logins += 1
            answer = LOGIN
        elif self._closed and path.startswith("/api/"):
            self._redirects += 1
            answer = RedirectResponse(f"http://localhost:{scope['server'][1]}/login", 302)
        else:
            await self._app(scope, receive, send)
            return
        await answer(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            self._closed = (await request.json())["closed"]
        return JSONResponse({"redirects": self._redirects, "logins": self._logins})


def create_app(settings: Settings) -> Portal:
    """Return the sound app of `settings` behind the portal."""
    return Portal(create_sound_app(settings))


if __name__ == "__main__":
    sys.exit(main(ROOT, make_app=create_app))
