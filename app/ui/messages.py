"""The log of messages: draws only what is near the view, and of that only what changed."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from js import document

from app.core.messages import Message
from app.sync.collection import Shown, View
from app.ui.dom import by_test_id, on, part, place
from app.ui.message import MessageView
from app.ui.stretch import FIRST, Change, Sight, Stretch, leap, settled

NEAR = 32
"""Pixels from the end within which a person still reads the end: what is new comes into view."""
ROUNDS = 4
"""Times that is drawn ahead for one event, at most."""


class MessagesView:
    """Draws the loaded messages into the log.

    `verbs` (retry, discard) get the failed action's id; `older` is called where what is loaded ends
    before the log does, `moved` when `at_end` has changed.
    """

    def __init__(
        self,
        verbs: Mapping[str, Callable[[str], None]],
        older: Callable[[], None],
        moved: Callable[[], None],
    ) -> None:
        self._log = part(by_test_id("composer").parentElement, "log")
        self._list = part(self._log, "messages")
        self._spacer = part(self._log, "spacer")
        self._empty = part(self._log, "empty")
        self._more = part(self._log, "older")
        self._drawn: dict[str, MessageView] = {}
        self._stretch = Stretch()
        self._view: View[Message] = View()
        self._below = 0.0
        self._under = 0.0
        self._waiting = False
        self._new: str | None = None
        self.at_end = True
        self._verbs, self._older, self._moved = verbs, older, moved
        on(self._list, "click", self._clicked)
        on(self._more, "click", self._more_wanted)
        on(self._log, "scroll", lambda _event: self.look())

    def set_waiting(self, waiting: bool) -> None:
        """Say whether what is pending waits, or is being sent now."""
        if waiting == self._waiting:
            return
        self._waiting = waiting
        for drawn in self._drawn.values():
            if drawn.shown.status == "pending":
                drawn.fill(drawn.shown, waiting=waiting)

    def render(self, view: View[Message], change: Change, new: str | None) -> None:
        """Make the document show `view`, which came by `change`; the unread begin with `new`."""
        stretch = self._stretch
        self._view, self._new = view, new
        self._draw(stretch.follow(change) if self.at_end else stretch.stay(change))
        self._empty.hidden = bool(view.items)
        self._list.dataset.loaded = len(view.items)
        if not self.at_end or self._stretch.size < FIRST:
            self.look()

    def look(self) -> None:
        """Draw ahead where the view comes near the end of what is drawn, and ask for older ones."""
        if not self._log.clientHeight:
            return  # another view is shown
        sight = self._sight()
        for _ in range(ROUNDS):
            stretch = self._stretch.around(sight, self._total)
            if stretch == self._stretch:
                break
            self._draw(stretch)
            sight = self._sight()
        if sight.above < sight.height and not self._stretch.first and self._view.has_more:
            self._older()

    def show_older(self) -> None:
        """Draw some of the loaded messages that are older than those drawn, if there are any."""
        if self._stretch.first:
            self._draw(self._stretch.upwards())

    def show_newest(self) -> None:
        """Scroll to the newest message; the log is laid out from its end, so that is place 0."""
        if self._stretch.last < self._total:
            self._draw(Stretch().follow(Change(after=self._total)), anchored=False)
        if self._under:
            self._log.scrollTop = 0
        self._notice_end(0)

    @property
    def _total(self) -> int:
        return len(self._view.items)

    def _more_wanted(self, _event: Any) -> None:
        if self._stretch.first:
            self.show_older()
        else:
            self._older()

    def _sight(self) -> Sight:
        """Measure; a view that has left what is drawn gets it back at once."""
        height, under = self._log.clientHeight, -self._log.scrollTop
        self._notice_end(under)
        if self._below and under + height < self._below:
            stretch, below = leap(self._stretch, self._total, self._below, under - height)
            self._draw(stretch, anchored=False)
            self._set_spacer(below)
        return Sight(self._log.scrollHeight - height - under, under - self._below, height)

    def _notice_end(self, under: float) -> None:
        self._under = under
        at_end = under < NEAR and self._stretch.last == self._total
        if at_end != self.at_end:
            self.at_end = at_end
            self._moved()

    def _draw(self, stretch: Stretch, *, anchored: bool = True) -> None:
        """Draw this stretch of the view; unless the end is followed, what is read stays put."""
        at_end = stretch.last == self._total
        pinned = self.at_end and at_end
        anchor = self._lowest_in_sight() if anchored and not pinned else None
        top = anchor.getBoundingClientRect().top if anchor else 0
        before = list(self._drawn)
        items = self._view.items[stretch.first : stretch.last]
        self._take_out({shown.id for shown in items})
        kept = [key for key in before if key in self._drawn]
        self._drawn = {shown.id: self._message(shown) for shown in items}
        place(self._list, kept, list(self._drawn), lambda key: self._drawn[key].element)
        self._stretch = stretch
        self._head()
        self._more.hidden = not (stretch.first or self._view.has_more)
        if anchor and anchor.isConnected:
            shift = anchor.getBoundingClientRect().top - top
            below, rest = settled(self._below, shift, at_end=at_end)
            self._set_spacer(below)
            if rest:
                self._log.scrollTop += rest
        elif at_end:
            self._set_spacer(0)

    def _message(self, shown: Shown[Message]) -> MessageView:
        drawn = self._drawn.get(shown.id)
        if drawn is None:
            return MessageView(shown, waiting=self._waiting)
        if drawn.shown is not shown:
            drawn.fill(shown, waiting=self._waiting)
        return drawn

    def _take_out(self, staying: set[str]) -> None:
        """Remove what is not drawn any more; focus in it goes to the log."""
        gone = [key for key in self._drawn if key not in staying]
        focused = document.activeElement if gone else None
        for key in gone:
            element = self._drawn.pop(key).element
            if element.contains(focused):
                self._log.focus(preventScroll=True)
            element.remove()

    def _head(self) -> None:
        """Say above each message which day begins with it, also above the first one drawn."""
        today = datetime.now().astimezone().date()
        day = None
        for key, drawn in self._drawn.items():
            drawn.head(today if drawn.day != day else None, new=key == self._new)
            day = drawn.day

    def _lowest_in_sight(self) -> Any:
        """Return the drawn element at the lower edge of the view; what is below it may move it."""
        elements = [drawn.element for drawn in self._drawn.values()]
        if not elements:
            return None
        edge = self._log.getBoundingClientRect().bottom
        found = bisect_left(elements, edge, key=lambda it: it.getBoundingClientRect().bottom)
        return elements[min(found, len(elements) - 1)]

    def _set_spacer(self, height: float) -> None:
        if height != self._below:
            self._below = height
            self._spacer.style.height = f"{height}px"

    def _clicked(self, event: Any) -> None:
        button = event.target.closest("button[data-part]")
        element = event.target.closest("[data-id]")
        if button and element:
            action_id = self._drawn[element.dataset.id].shown.action_id
            if action_id is not None:
                element.focus(preventScroll=True)  # the button goes with the state it is for
                self._verbs[button.dataset.part](action_id)
