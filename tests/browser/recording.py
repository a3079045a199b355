"""A server that keeps what was pushed to it, byte for byte: `python -m tests.browser.recording`.

It takes the options of serve.py and the faults of tests/server/faulty.py. `GET /__pushes__` gives
the bodies of all requests to `/api/sync` since its start. Where `DRIFTLINE_STEPS` is set, sw.js is
served with a step before each of its awaits (`STEP`), at which a test can have the worker stop, and
a test can have it send fewer actions at a time (`MOST_ACTIONS`).
"""

from __future__ import annotations

import os
import sys

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from server.cli import main
from server.settings import Settings
from tests.server.faulty import ROOT, Faults
from tests.server.faulty import create_app as create_faulty_app

PUSHES = "/__pushes__"
STEP = """
self.steps = 0;
self.stopAt = Infinity;
const step = () => (++self.steps >= self.stopAt ? new Promise(() => {}) : undefined);
"""
AWAIT = "await step() ?? await "
"""The worker counts its awaits; from the one with the number `stopAt` on it does not come back."""


class Recorder:
    """Around an app: keeps the bodies of pushes, and gives sw.js its steps."""

    def __init__(self, app: Faults) -> None:
        self._app = app
        self._pushes: list[str] = []

    @property
    def state(self) -> State:
        return self._app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if scope["path"] == PUSHES:
            return await JSONResponse(self._pushes)(scope, receive, send)
        if scope["path"] == "/sw.js" and "DRIFTLINE_STEPS" in os.environ:
            messages = await self._app._answered({**scope, "headers": []}, receive)
            source = b"".join(message.get("body", b"") for message in messages).decode()
            return await stepping(source)(scope, receive, send)
        if scope["path"] == "/api/sync":
            receive = await self._kept(scope, receive)
        return await self._app(scope, receive, send)

    async def _kept(self, scope: Scope, receive: Receive) -> Receive:
        body = await Request(scope, receive).body()
        self._pushes.append(body.decode())
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        return again


def stepping(source: str) -> Response:
    """Return a worker with a step before each await of its code."""
    lines = [
        it if it.startswith("//") else it.replace("await ", AWAIT) for it in source.split("\n")
    ]
    stepped = "\n".join(lines).replace("const MOST_ACTIONS", "let MOST_ACTIONS")
    return Response(STEP + stepped, media_type="text/javascript")


def create_app(settings: Settings) -> Recorder:
    """Return the faulty app of `settings` behind the recorder."""
    return Recorder(create_faulty_app(settings))


if __name__ == "__main__":
    sys.exit(main(ROOT, make_app=create_app))
