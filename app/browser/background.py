"""Background sync: the browser has the service worker send what this page may not get to send.

Only Chromium's browsers have it; elsewhere the page sends when it is open (app/browser/network.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from js import document, driftline, location, navigator, window
from pyodide.ffi import JsException, create_proxy

from app.browser.ffi import js_object, listen

ACTIONS = "sync-actions"
DATA = "sync-data"
GRACE = 1.0
"""Seconds in which a page that is connected sends by itself, before the worker is asked to; what is
written meanwhile is asked for once."""
PERIOD = 12 * 3_600_000
"""Milliseconds between pulls in the background; browsers allow no shorter ones."""

_log = logging.getLogger(__name__)


class Background:
    """Registers with the browser what is to be done once there is a network, page or no page."""

    def __init__(self) -> None:
        self._registration: Any = None
        self._waiting = 0
        self._connected = False
        self._pause: asyncio.TimerHandle | None = None
        self._again = False
        self._refused = create_proxy(_refused)

    async def watch(self, wake: Callable[[], None]) -> None:
        """Find the service worker's registration and serve it for the life of the page.

        `wake` is called when the worker has something to do and found that a page leads.
        """

        def told(event: Any) -> None:
            if event.data.type == "wake":
                wake()
            elif event.data.type == "open":  # a notification was tapped
                location.hash = event.data.route

        if not await driftline.registration:
            return
        self._registration = await navigator.serviceWorker.ready
        listen(navigator.serviceWorker, "message", told)
        listen(window, "pagehide", lambda _event: self._leave())
        listen(document, "visibilitychange", lambda _event: self._leave(document.hidden))
        if self._waiting or self._pause:
            self._register(ACTIONS)
        await self._register_periodic()

    def asked(self) -> None:
        """Take note that something was written: it waits from now on, unless it is sent at once."""
        if self._pause is not None:
            self._again = True
            return
        self._again = self._connected and bool(navigator.onLine)
        if not self._again:
            self._register(ACTIONS)
        self._pause = asyncio.get_running_loop().call_later(GRACE, self._rested)

    def note(self, waiting: int, connected: bool) -> None:
        """Take the number of actions that wait, and whether they can be sent, as it is now."""
        lost = self._connected and not connected
        self._waiting, self._connected = waiting, connected
        if waiting and lost:
            self._register(ACTIONS)

    def _rested(self) -> None:
        self._pause = None
        if self._again and (self._waiting or not self._connected):
            self._register(ACTIONS)

    def _leave(self, leaves: bool = True) -> None:
        """The page may be gone the next moment: register now what would be later."""
        if not leaves:
            return
        if self._waiting or self._pause is not None:
            self._register(ACTIONS)
        elif not self._connected:
            self._register(DATA)

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


def _refused(error: Any) -> None:
    _log.info("The browser does not synchronise in the background: %s", error.message)
