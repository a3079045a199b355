"""Hints from the network and the page's life, and the server's pokes. None of them is the truth:
each only makes the engine ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from js import EventSource, clearTimeout, document, navigator, setTimeout, window
from pyodide.ffi import create_once_callable

from app.browser.ffi import listen

REOPEN_FIRST = 5.0
REOPEN_CAP = 60.0


def online() -> bool:
    """Return the browser's guess; only `False` means anything."""
    return bool(navigator.onLine)


def watch_network(wake: Callable[[], None], lost: Callable[[], None]) -> None:
    """Call `wake` when asking may be worth while, `lost` when the browser says it is offline."""

    def visible(_event: Any) -> None:
        if not document.hidden:
            wake()

    def offline(_event: Any) -> None:
        lost()
        wake()

    listen(window, "online", lambda _event: wake())
    listen(window, "pageshow", lambda event: wake() if event.persisted else None)
    listen(document, "visibilitychange", visible)
    listen(window, "offline", offline)


class Pokes:
    """The server's event stream, open only while the server is known to be there.

    A stream that breaks says that something is wrong: `broken` makes the engine find out. It is
    opened again after 5 s, doubling to 60 s, and at once on a new connection.
    """

    def __init__(
        self, url: str, changed: Callable[[str | None], None], broken: Callable[[], None]
    ) -> None:
        self._url = url
        self._changed = changed
        self._broken = broken
        self._source: Any = None
        self._listening: list[Callable[[], None]] = []
        self._timer: Any = None
        self._delay = REOPEN_FIRST

    def follow(self, connected: bool) -> None:
        """Open the stream when the server is there, close it when it is not."""
        if not connected:
            self._close()
        elif self._source is None and self._timer is None:
            self._open()

    def _open(self) -> None:
        self._timer = None
        self._source = EventSource.new(self._url)
        self._listening = [
            listen(self._source, "changed", self._poked),
            listen(self._source, "error", self._failed),
        ]

    def _close(self) -> None:
        if self._timer is not None:
            clearTimeout(self._timer)
            self._timer = None
        if self._source is not None:
            self._source.close()
            self._source = None
            for end in self._listening:
                end()

    def _poked(self, event: Any) -> None:
        self._delay = REOPEN_FIRST
        self._changed(json.loads(event.data).get("cursor"))

    def _failed(self, _event: Any) -> None:
        self._close()
        reopen = create_once_callable(self._open)
        self._timer = setTimeout(reopen, round(self._delay * 1000))
        self._delay = min(REOPEN_CAP, self._delay * 2)
        self._broken()
