"""Background sync: the browser has the service worker send what this page may not get to send.

Only Chromium's browsers have it; elsewhere the page sends when it is open (app/browser/network.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from js import document, driftline, navigator, window
from pyodide.ffi import JsException, create_proxy

from app.browser.ffi import js_object, listen

ACTIONS = "sync-actions"
DATA = "sync-data"
GRACE = 1.0
"""Seconds in which a page that is connected sends by itself, before the worker is asked to."""
PERIOD = 12 * 3_600_000
"""Milliseconds between pulls in the background; browsers allow no shorter ones."""

_log = logging.getLogger(__name__)


class Background:
    """Registers with the browser what is to be done once there is a network, page or no page.

    `wake` is called when the worker was started and found that a page leads.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._registration: Any = None
        self._waiting = 0
        self._connected = False
        self._pause: asyncio.TimerHandle | None = None
        self._refused = create_proxy(_refused)

    async def watch(self) -> None:
        """Find the service worker's registration and serve it for the life of the page."""
        if not await driftline.registration:
            return
        self._registration = await navigator.serviceWorker.ready
        listen(navigator.serviceWorker, "message", self._told)
        listen(window, "pagehide", lambda _event: self._leave())
        listen(document, "visibilitychange", self._hidden)
        if self._waiting:
            self._ask_soon()
        await self._register_periodic()

    def note(self, waiting: int, connected: bool) -> None:
        """Take the number of actions that wait, and whether they can be sent, as it is now."""
        grew, lost = waiting > self._waiting, self._connected and not connected
        self._waiting, self._connected = waiting, connected
        if waiting and (grew or lost):
            self._ask_soon()

    def _ask_soon(self) -> None:
        """Register once for all that is added within the same moment."""
        if self._pause is None or not self._connected:
            self._cancel()
            delay = GRACE if self._connected else 0
            self._pause = asyncio.get_running_loop().call_later(delay, self._ask)

    def _ask(self) -> None:
        self._cancel()
        if self._waiting:
            self._register(ACTIONS)

    def _hidden(self, _event: Any) -> None:
        if document.hidden:
            self._leave()

    def _leave(self) -> None:
        """The page may be gone the next moment: register now what would be later."""
        if self._waiting:
            self._ask()
        elif not self._connected:
            self._register(DATA)

    def _cancel(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _register(self, tag: str) -> None:
        if hasattr(self._registration, "sync"):
            self._registration.sync.register(tag).catch(self._refused)

    async def _register_periodic(self) -> None:
        if not hasattr(self._registration, "periodicSync"):
            return
        try:
            name = js_object({"name": "periodic-background-sync"})
            if (await navigator.permissions.query(name)).state == "granted":
                period = js_object({"minInterval": PERIOD})
                await self._registration.periodicSync.register(DATA, period)
        except JsException as error:
            _refused(error)

    def _told(self, event: Any) -> None:
        if event.data.type == "wake":
            self._wake()


def _refused(error: Any) -> None:
    _log.info("The browser does not synchronise in the background: %s", error.message)
