"""Hints from the network and the page's life, and the server's pokes. None of them is the truth:
each only makes the engine ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from js import EventSource, document, navigator, window

from app.browser.ffi import listen
from app.ports import Listener, OpenStream


def online() -> bool:
    """Return the browser's guess; only `False` means anything."""
    return bool(navigator.onLine)


def watch_network(wake: Callable[[], None], lost: Callable[[], None]) -> None:
    """Call `wake` when asking may be worth while, `lost` when the browser says it is offline.

    It may be when the network or the person comes back, also to a page that was frozen meanwhile.
    """

    def visible(_event: Any) -> None:
        if not document.hidden:
            wake()

    def offline(_event: Any) -> None:
        lost()
        wake()

    listen(window, "online", lambda _event: wake())
    listen(window, "pageshow", lambda event: wake() if event.persisted else None)
    listen(document, "resume", lambda _event: wake())
    listen(document, "visibilitychange", visible)
    listen(window, "offline", offline)


def event_stream(url: str) -> OpenStream:
    """Return what opens the server's event stream at `url` by an `EventSource`."""

    def open_stream(listener: Listener) -> Callable[[], None]:
        source = EventSource.new(url)
        listening = [
            listen(source, "changed", lambda event: listener.poked(_cursor(event))),
            listen(source, "heartbeat", lambda _event: listener.alive()),
            listen(source, "error", lambda _event: listener.failed()),
            listen(window, "pagehide", lambda _event: source.close()),
        ]

        def close() -> None:
            source.close()
            for end in listening:
                end()

        return close

    return open_stream


def _cursor(event: Any) -> str | None:
    cursor: str | None = json.loads(event.data).get("cursor")
    return cursor
