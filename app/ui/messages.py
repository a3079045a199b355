"""The log of messages: only what changed is touched. The style sheet keeps the reader's place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from app.core.messages import Message
from app.sync.collection import Shown, View
from app.ui.dom import by_test_id, clone, on, part, place, set_text
from app.ui.words import clock_time, day_text, message_status, moment, state_text


@dataclass
class Drawn:
    """What stands in the document for a message, so that only differences are written."""

    element: Any
    shown: Shown[Message]
    day: date


class MessagesView:
    """Draws a view of messages into the log; `retry` and `discard` get the failed action's id."""

    def __init__(
        self,
        retry: Callable[[str], None],
        discard: Callable[[str], None],
        older: Callable[[], None],
    ) -> None:
        self._log = part(by_test_id("composer").parentElement, "log")
        self._list = part(self._log, "messages")
        self._empty = part(self._log, "empty")
        self._older = part(self._log, "older")
        self._drawn: dict[str, Drawn] = {}
        self._headings: dict[str, Any] = {}
        self._order: list[str] = []
        self._starts: list[int] = []
        self._days: list[date] = []
        self._view: View[Message] = View()
        self._offline = False
        self._verbs = {"retry": retry, "discard": discard}
        on(self._list, "click", self._clicked)
        on(self._older, "click", lambda _event: older())

    def set_offline(self, offline: bool) -> None:
        """Say whether what is pending is being sent now or waits for the network."""
        if offline == self._offline:
            return
        self._offline = offline
        for drawn in self._drawn.values():
            if drawn.shown.status == "pending":
                self._fill(drawn)

    def render(self, view: View[Message]) -> None:
        """Make the document show `view`; what begins as it did before is not looked at."""
        if not view.loaded:
            return
        kept = _common(self._view.items, view.items)
        for shown in view.items[kept:]:
            self._draw(shown)
        self._sequence(view, kept)
        self._view = view
        self._empty.hidden = bool(view.items)
        self._older.hidden = not view.has_more

    def show_newest(self) -> None:
        """Scroll to the newest message; the log is laid out from its end, so that is place 0."""
        self._log.scrollTop = 0

    def _draw(self, shown: Shown[Message]) -> None:
        drawn = self._drawn.get(shown.id)
        if drawn is None:
            self._drawn[shown.id] = self._fresh(shown)
        elif drawn.shown is not shown:
            drawn.shown = shown
            self._fill(drawn)

    def _fresh(self, shown: Shown[Message]) -> Drawn:
        sent_at = moment(shown.value.sent_at)
        element = clone("message-template")
        element.dataset.id = shown.id
        part(element, "text").textContent = shown.value.text
        time = part(element, "time")
        time.textContent = clock_time(sent_at)
        time.setAttribute("datetime", sent_at.isoformat(timespec="seconds"))
        drawn = Drawn(element, shown, sent_at.date())
        self._fill(drawn)
        return drawn

    def _fill(self, drawn: Drawn) -> None:
        """Write what can change: the state and its reason."""
        shown, element = drawn.shown, drawn.element
        status = message_status(shown.status)
        element.dataset.status = status
        set_text(part(element, "state"), state_text(status, offline=self._offline))
        if shown.error is not None or status == "failed":
            reason = shown.error.message if shown.error else "This could not be sent."
            set_text(part(element, "error"), reason)

    def _sequence(self, view: View[Message], kept: int) -> None:
        """Bring messages and day headings into order behind the first `kept` messages."""
        today = datetime.now().astimezone().date()
        day = self._days[kept - 1] if kept else None
        days: list[date] = []
        order: list[str] = []
        starts: list[int] = []
        first = self._starts[kept] if kept < len(self._starts) else len(self._order)
        for shown in view.items[kept:]:
            own = self._drawn[shown.id].day
            starts.append(first + len(order))
            if day is None or own > day:
                day = own
                order.append(self._heading(day, today))
            days.append(day)
            order.append(shown.id)
        self._replace(self._order[first:], order)
        self._order[first:] = order
        self._starts[kept:] = starts
        self._days[kept:] = days

    def _replace(self, before: list[str], order: list[str]) -> None:
        """Bring the end of the list from one order into another, removing what is gone."""
        remaining = set(order)
        for key in before:
            if key not in remaining:
                self._element(key).remove()
                self._drawn.pop(key, None)
        place(self._list, [key for key in before if key in remaining], order, self._element)

    def _heading(self, day: date, today: date) -> str:
        key = f"day:{day}"
        if key not in self._headings:
            self._headings[key] = clone("day-template")
            part(self._headings[key], "date").setAttribute("datetime", str(day))
            set_text(part(self._headings[key], "date"), day_text(day, today))
        return key

    def _element(self, key: str) -> Any:
        drawn = self._drawn.get(key)
        return drawn.element if drawn else self._headings[key]

    def _clicked(self, event: Any) -> None:
        button = event.target.closest("button[data-part]")
        element = event.target.closest("[data-id]")
        if button and element:
            action_id = self._drawn[element.dataset.id].shown.action_id
            if action_id is not None:
                self._verbs[button.dataset.part](action_id)


def _common(before: Sequence[object], after: Sequence[object]) -> int:
    """Return how many entries both begin with."""
    count = 0
    for one, other in zip(before, after, strict=False):
        if one is not other:
            break
        count += 1
    return count
