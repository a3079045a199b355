"""A new version of the app waits until the person asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from js import driftline, navigator
from pyodide.ffi import JsException

from app.browser.ffi import js_object, listen
from app.errors import Unreachable
from app.ports import UpdateState


class Updates:
    """Says when a new version is installed and waiting, and switches to it on request.

    `refused` is called where the app is open elsewhere: a version takes over from one page only.
    """

    def __init__(self, available: Callable[[], None], refused: Callable[[], None]) -> None:
        self._available = available
        self._refused = refused
        self._registration: Any = None

    async def watch(self) -> None:
        """Find the service worker's registration and follow it for the life of the page."""
        registration = await driftline.registration
        if not registration:
            return
        self._registration = registration
        listen(registration, "updatefound", lambda _event: self._follow(registration.installing))
        listen(navigator.serviceWorker, "message", self._told)
        if registration.waiting:
            self._available()
        elif registration.installing:
            self._follow(registration.installing)

    async def check(self) -> UpdateState:
        """See the port."""
        if not self._registration:
            return "not_kept"
        try:
            await self._registration.update()
        except JsException:
            raise Unreachable("There is no answer just now. Try again when connected.") from None
        if self._registration.installing:
            await _settled(self._registration.installing)
        return "ready" if self._registration.waiting else "newest"

    def apply(self) -> None:
        """Let the waiting version take over; the page reloads when it has (assets/boot.js)."""
        if self._registration and self._registration.waiting:
            self._registration.waiting.postMessage(js_object({"type": "SKIP_WAITING"}))

    def _follow(self, worker: Any) -> None:
        def changed(_event: Any) -> None:
            if worker.state == "installed" and navigator.serviceWorker.controller:
                self._available()

        if worker:
            listen(worker, "statechange", changed)

    def _told(self, event: Any) -> None:
        if event.data.type == "busy":
            self._refused()


async def _settled(worker: Any) -> None:
    """Return when a version has been fetched whole, or given up."""
    settled = asyncio.Event()
    end = listen(worker, "statechange", lambda _event: settled.set())
    if worker.state == "installing":
        await settled.wait()
    end()
