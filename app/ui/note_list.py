"""The list of notes: newest change first, with a search; only what changed is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from js import document

from app.core.notes import Note
from app.sync.collection import Shown
from app.ui.dom import clone, on, part, place, set_text
from app.ui.note_words import excerpt, found_text, matches, note_state, title_text, when_text

PAGE = 60
"""Notes drawn at first, and added when the end of the list comes near."""


@dataclass
class Drawn:
    """A note's element, and the note as it shows it; `None` has it written anew."""

    element: Any
    shown: Shown[Note] | None = None


class NoteList:
    """Draws the notes that fit the search; `searched` is called when the search changes."""

    def __init__(self, searched: Callable[[], None]) -> None:
        view = document.querySelector('[data-view="notes"]')
        self._scroller = part(view, "note-scroller")
        self._list = part(view, "note-list")
        self._search = part(view, "search")
        self._found = part(view, "found")
        self._empty = part(view, "empty")
        self._nothing = part(view, "nothing-found")
        self._items: list[Shown[Note]] = []
        self._fitting: list[Shown[Note]] = []
        self._drawn: dict[str, Drawn] = {}
        self._order: list[str] = []
        self._most = PAGE
        self._offline = False
        self._open: str | None = None
        self._searched = searched
        on(self._search, "input", self._query_changed)
        on(self._scroller, "scroll", self._scrolled)

    @property
    def query(self) -> str:
        """What is searched for."""
        return str(self._search.value)

    def enable(self) -> None:
        """Take input from now on."""
        self._search.disabled = False

    def render(self, items: Iterable[Shown[Note]], *, offline: bool) -> None:
        """Show these notes, given oldest change first."""
        self._items = list(items)[::-1]
        if offline != self._offline:
            self._offline = offline
            for drawn in self._drawn.values():
                drawn.shown = None
        self._filter()

    def mark(self, item_id: str | None) -> None:
        """Show which note is open."""
        before, self._open = self._open, item_id
        if before in self._drawn and before != item_id:
            part(self._drawn[before].element, "link").removeAttribute("aria-current")
        if item_id in self._drawn:
            part(self._drawn[item_id].element, "link").setAttribute("aria-current", "true")

    def _query_changed(self, _event: Any) -> None:
        self._most = PAGE
        self._scroller.scrollTop = 0
        self._filter()
        self._searched()

    def _filter(self) -> None:
        query = self.query
        self._fitting = [it for it in self._items if matches(it.value, query)]
        set_text(self._found, found_text(len(self._fitting), query))
        self._empty.hidden = bool(self._items)
        self._nothing.hidden = not self._items or bool(self._fitting)
        set_text(part(self._nothing, "text"), found_text(0, query))
        self._draw()

    def _draw(self) -> None:
        now = datetime.now().astimezone()
        shown = self._fitting[: self._most]
        for it in shown:
            self._draw_note(it, now)
        order = [it.id for it in shown]
        self._remove(set(order))
        kept = [key for key in self._order if key in self._drawn]
        place(self._list, kept, order, lambda key: self._drawn[key].element)
        self._order = order

    def _remove(self, wanted: set[str]) -> None:
        for key in self._drawn.keys() - wanted:
            self._drawn.pop(key).element.remove()

    def _draw_note(self, it: Shown[Note], now: datetime) -> None:
        drawn = self._drawn.get(it.id) or self._fresh(it.id)
        if drawn.shown is it:
            return
        drawn.shown, element = it, drawn.element
        element.dataset.status = it.status
        set_text(part(element, "title"), title_text(it.value))
        set_text(part(element, "excerpt"), excerpt(it.value))
        set_text(part(element, "when"), when_text(it.updated_at, now))
        set_text(part(element, "state"), note_state(it.status, offline=self._offline))

    def _fresh(self, item_id: str) -> Drawn:
        drawn = self._drawn[item_id] = Drawn(clone("note-template"))
        drawn.element.dataset.id = item_id
        link = part(drawn.element, "link")
        link.setAttribute("href", f"#/notes/{item_id}")
        if item_id == self._open:
            link.setAttribute("aria-current", "true")
        return drawn

    def _scrolled(self, _event: Any) -> None:
        """Draw more before a person reaches the end."""
        left = self._scroller.scrollHeight - self._scroller.scrollTop - self._scroller.clientHeight
        if left < self._scroller.clientHeight and self._most < len(self._fitting):
            self._most += PAGE
            self._draw()
