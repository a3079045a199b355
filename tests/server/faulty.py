"""A server that fails on demand: `python -m tests.server.faulty` with the options of serve.py.

`POST /__faults__ {"kind": …, "times": n}` makes the next n requests to `/api/sync` fail so:

    kill_before         the process is killed before the inner app sees the request
    kill_before_commit  the process is killed in the transaction, once everything is written
    kill_after_commit   the process is killed once the inner app has answered, before a byte is sent
    kill_after_reply    the process is killed once the whole answer was sent
    drop_after_commit   the connection is closed without an answer, after the commit
    drop_before         the same, before the inner app sees the request
    error_500           500 in place of the answer, before the inner app sees the request
    unavailable_503     503 with Retry-After (`"seconds": s`)
    html_200            200 with a captive portal's page
    delay               the answer comes `"seconds": s` late

`{"kind": "none"}` ends all faults. `GET /__faults__` says what is left, and how many requests to
`/api/sync` there were. `DRIFTLINE_FAULTS` holds such a JSON object to begin with, and
`DRIFTLINE_HEARTBEAT` the seconds from one heartbeat of an event stream to the next.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import event
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from server import events
from server.app import create_app as create_sound_app
from server.cli import main
from server.run import Servable
from server.settings import Settings

CONTROL = "/__faults__"
ROOT = Path(__file__).resolve().parents[2]


class Faults:
    """Around an app: spoils requests to `/api/sync`, as it was told."""

    def __init__(self, app: Servable) -> None:
        self._app = app
        self._requests = 0
        self._plan: dict[str, Any] = json.loads(os.environ.get("DRIFTLINE_FAULTS", "{}"))

    @property
    def state(self) -> State:
        return self._app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == CONTROL:
            response = await self._control(Request(scope, receive))
            return await response(scope, receive, send)
        if scope["type"] != "http" or scope["path"] != "/api/sync":
            return await self._app(scope, receive, send)
        self._requests += 1
        return await self._spoilt(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        if request.method == "POST":
            self._plan = await request.json()
        return JSONResponse({"plan": self._plan, "requests": self._requests})

    def _next(self) -> str | None:
        left = self._plan.get("times", 1)
        if left <= 0:
            return None
        self._plan["times"] = left - 1
        return self._plan.get("kind")

    async def _spoilt(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = self._next()
        seconds = self._plan.get("seconds", 1)
        if kind in _KILLS:
            await self._killed(kind, scope, receive, send)
        elif kind in ("drop_before", "drop_after_commit"):
            if kind == "drop_after_commit":
                await self._answered(scope, receive)
            await _hang_up(receive)
        elif kind in _ANSWERS:
            await Request(scope, receive).body()
            await _ANSWERS[kind](seconds)(scope, receive, send)
        elif kind == "delay":
            messages = await self._answered(scope, receive)
            await asyncio.sleep(seconds)
            for message in messages:
                await send(message)
        else:
            await self._app(scope, receive, send)

    async def _killed(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        if kind == "kill_before_commit":
            # The process that is killed here has to be the one that commits.
            self.state.services.write_here()
            event.listen(self.state.services.database.engine, "commit", lambda _c: _die())
            await self._app(scope, receive, send)
        elif kind == "kill_after_commit":
            await self._answered(scope, receive)
        elif kind == "kill_after_reply":
            await self._app(scope, receive, send)
            # Until then the connection holds what it was given.
            await asyncio.sleep(0.01)
        _die()

    async def _answered(self, scope: Scope, receive: Receive) -> list[Message]:
        """Have the inner app answer, and keep what it would have sent."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages


_KILLS = ("kill_before", "kill_before_commit", "kill_after_commit", "kill_after_reply")


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def _hang_up(receive: Receive) -> None:
    """Close the connection as it is; uvicorn's `receive` belongs to what holds the transport."""
    receive.__self__.transport.abort()  # type: ignore[attr-defined]  # a bound method
    while (await receive())["type"] != "http.disconnect":
        pass


def _problem(status: int, headers: dict[str, str] | None = None) -> Response:
    error = {"code": "injected", "message": "An injected fault.", "fields": {}}
    return JSONResponse({"error": error}, status, headers)


_ANSWERS: dict[str, Callable[[float], Response]] = {
    "error_500": lambda _seconds: _problem(500),
    "unavailable_503": lambda seconds: _problem(503, {"Retry-After": str(seconds)}),
    "html_200": lambda _seconds: HTMLResponse("<title>Log in to this network</title>"),
}


def create_app(settings: Settings) -> Faults:
    """Return the sound app of `settings` behind the faults; no site, where none is built."""
    if not (ROOT / "runtime" / "dist").is_dir():
        settings = replace(settings, site_root=None)
    events.HEARTBEAT_SECONDS = float(os.environ.get("DRIFTLINE_HEARTBEAT", 15))  # type: ignore[assignment] # for tests
    return Faults(create_sound_app(settings))


if __name__ == "__main__":
    sys.exit(main(ROOT, make_app=create_app))
