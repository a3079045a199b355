"""The composer: Enter sends, Shift+Enter breaks the line; the text stays until it is durable."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from app.errors import DriftlineError
from app.protocol import MAX_TEXT
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import begin
from app.ui.words import counter_text, length_of

COUNT_FROM = MAX_TEXT - 500
"""Characters from which on the counter is shown."""


_log = logging.getLogger(__name__)


class Composer:
    """Hands what a person writes to `send`, and keeps it in sight while it is refused."""

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._form = by_test_id("composer")
        self._text = part(self._form, "text")
        self._error = part(self._form, "error")
        self._counter = part(self._form, "counter")
        self._sending: asyncio.Future[None] | None = None
        self._changed: Callable[[], None] | None = None
        on(self._form, "submit", self._submitted)
        on(self._text, "keydown", self._key_pressed)
        on(self._text, "input", self._typed)

    def enable(self, changed: Callable[[], None]) -> None:
        """Take input from now on; `changed` is called when the text may have changed."""
        self._changed = changed
        part(self._form, "fields").disabled = False

    def text(self) -> str:
        """Return what is in the field."""
        return str(self._text.value)

    def restore(self, text: str) -> None:
        """Put back what was written before."""
        self._text.value = text
        self._typed()

    def focus(self) -> None:
        """Let a person go on writing."""
        self._text.focus()

    def _key_pressed(self, event: Any) -> None:
        if event.key == "Enter" and not event.shiftKey and not event.isComposing:
            self._submitted(event)

    def _submitted(self, event: Any) -> None:
        event.preventDefault()
        if self._sending is None:
            work = begin(self._hand_over(self._text.value))
            self._sending = None if work.done() else work

    async def _hand_over(self, text: str) -> None:
        """One text at a time: a second tap while the first is being stored would send it twice."""
        try:
            await self._send(text)
        except DriftlineError as error:
            self._refuse(str(error))
        except Exception:
            _log.exception("A message could not be stored")
            self._refuse("This could not be stored on this device. It was kept here: try again.")
        else:
            self._clear(text)
        finally:
            self._sending = None
        self._text.focus()

    def _clear(self, text: str) -> None:
        """Take away what was stored; what was typed behind it meanwhile stays."""
        typed: str = self._text.value
        if typed.startswith(text):
            self._text.value = typed[len(text) :]
        self._typed()

    def _count(self) -> None:
        """Show how long a long text is; the browser's own length is never less than ours."""
        text = self.text() if self._text.textLength >= COUNT_FROM else ""
        length = length_of(text)
        self._counter.hidden = length < COUNT_FROM
        self._counter.dataset.over = "true" if length > MAX_TEXT else "false"
        if length >= COUNT_FROM:
            set_text(self._counter, counter_text(text))

    def _refuse(self, reason: str) -> None:
        set_text(self._error, reason)
        self._text.setAttribute("aria-invalid", "true")

    def _typed(self, _event: Any = None) -> None:
        set_text(self._error, "")
        self._text.removeAttribute("aria-invalid")
        self._count()
        if self._changed is not None:
            self._changed()
