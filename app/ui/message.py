"""One message in the log: its element, and what of it can change."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

from app.core.messages import Message
from app.sync.collection import Shown
from app.ui.dom import clone, part, set_text
from app.ui.words import clock_time, day_text, message_status, moment, state_text


class MessageView:
    """Draws one message; only what differs is written.

    What stands above it, the day that begins with it and the mark of the first unread one, is
    inside its element: so it comes, goes and is measured with it.
    """

    def __init__(self, shown: Shown[Message], *, waiting: bool) -> None:
        sent_at = moment(shown.value.sent_at)
        self.shown = shown
        self.day = sent_at.date()
        self._status = message_status(shown.status)
        self._said = state_text(self._status, waiting=waiting)
        self.element = element = _blank(self._status, self._said).cloneNode(True)
        self._failure: Any = None
        self._delay: Any = None
        self._day: Any = None
        self._new: Any = None
        self._heads: tuple[date | None, bool] = (None, False)
        element.dataset.id = shown.id
        part(element, "text").textContent = shown.value.text
        if shown.value.sender:
            part(element, "sender").textContent = shown.value.sender
        time = part(element, "time")
        time.textContent = clock_time(sent_at)
        time.dateTime = sent_at.isoformat(timespec="seconds")
        self._explain(shown)

    def fill(self, shown: Shown[Message], *, waiting: bool) -> None:
        """Write what can change: the state and its reason."""
        self.shown = shown
        status = message_status(shown.status)
        said = state_text(status, waiting=waiting)
        if status != self._status:
            self.element.dataset.status = status
            part(self.element, "status").replaceWith(_state(status, said).cloneNode(True))
        elif said != self._said:
            part(self.element, "state").textContent = said
        self._status, self._said = status, said
        self._explain(shown)

    def _explain(self, shown: Shown[Message]) -> None:
        self._fail(shown, self._status == "failed")
        pending = self._status == "pending"
        self._wait(shown.error.message if shown.error and pending else "")

    def _fail(self, shown: Shown[Message], failed: bool) -> None:
        """Say why it was not sent, and offer what can be done, for as long as that is so."""
        if failed:
            if self._failure is None:
                self._failure = clone("failure-template")
                part(self.element, "body").append(self._failure)
            reason = shown.error.message if shown.error else "This could not be sent."
            set_text(part(self._failure, "error"), reason)
        elif self._failure is not None:
            self._failure.remove()
            self._failure = None

    def _wait(self, reason: str) -> None:
        """Say why it was not sent yet, for as long as that is so: it is tried again by itself."""
        if reason:
            if self._delay is None:
                self._delay = clone("delay-template")
                part(self.element, "body").append(self._delay)
            set_text(self._delay, reason)
        elif self._delay is not None:
            self._delay.remove()
            self._delay = None

    def head(self, today: date | None, *, new: bool) -> None:
        """Show the day above it, where `today` is given, and that the new ones begin with it."""
        if self._heads == (today, new):
            return
        self._heads = (today, new)
        self._new = self._above(self._new, "new-template", new)
        self._day = self._above(self._day, "day-template", today is not None)
        if today is not None:
            when = part(self._day, "date")
            when.setAttribute("datetime", str(self.day))
            set_text(when, day_text(self.day, today))

    def _above(self, known: Any, template: str, wanted: bool) -> Any:
        """Return what stands above the message from now on, the latest on top."""
        if wanted and known is None:
            known = clone(template)
            self.element.prepend(known)
        elif known is not None and not wanted:
            known.remove()
            known = None
        return known


@cache
def _blank(status: str, said: str) -> Any:
    """Return the element of a message in this state, to be copied: a log draws forty at a time."""
    element = clone("message-template")
    element.dataset.status = status
    part(element, "status").replaceWith(_state(status, said).cloneNode(True))
    return element


@cache
def _state(status: str, said: str) -> Any:
    state = clone(f"{status}-template")
    part(state, "state").textContent = said
    return state
