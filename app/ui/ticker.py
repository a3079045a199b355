"""One timer for all that counts down: it runs only while it is wanted and the page is seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from js import document

from app.ui.dom import on


class Ticker:
    """Calls `tick` each second between `start` and `stop`, and at once when the page is seen."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self._wanted = False
        self._running: asyncio.Task[None] | None = None
        on(document, "visibilitychange", self._seen)

    def start(self) -> None:
        """Tick from now on, whenever the page is seen."""
        self._wanted = True
        self._seen()

    def stop(self) -> None:
        """Tick no longer."""
        self._wanted = False
        self._seen()

    def _seen(self, _event: Any = None) -> None:
        runs = self._wanted and not document.hidden
        if runs and self._running is None:
            self._running = asyncio.ensure_future(self._run())
        elif not runs and self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self) -> None:
        while True:
            self._tick()
            await asyncio.sleep(1)
