"""A bar that says what was just done and offers to take it back, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from app.ui.dom import on, part, set_text

SHOWN_FOR = 20.0
"""Seconds; enough to read it and reach it by keyboard (WCAG 2.2.1 asks for no less)."""


class UndoBar:
    """Offers one undo at a time; the newest takes the place of the one before."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._undo: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        on(part(bar, "undo"), "click", self._tapped)
        on(part(bar, "dismiss"), "click", lambda _event: self._end())

    def offer(self, text: str, undo: Callable[[], None]) -> None:
        """Say what was done; `undo` is called if a person taps Undo."""
        self._end()
        self._undo = undo
        set_text(part(self._bar, "text"), text)
        self._bar.hidden = False
        self._timer = asyncio.get_running_loop().call_later(SHOWN_FOR, self._end)

    def _tapped(self, _event: Any) -> None:
        undo = self._undo
        self._end()
        if undo is not None:
            undo()

    def _end(self) -> None:
        self._undo = None
        if self._timer is not None:
            self._timer.cancel()
        self._bar.hidden = True
        set_text(part(self._bar, "text"), "")
