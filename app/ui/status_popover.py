"""The popover of the header: what the state of the connection means, and what there is to do.

It is the browser's own: Escape and a tap beside it close it, and the focus goes back.
"""

from __future__ import annotations

from typing import Any

from js import document, navigator

from app.sync.report import Status
from app.ui.dom import on, part, set_text
from app.ui.page import spawn
from app.ui.status_words import explain, facts, storage_note
from app.ui.words import connection_text


class StatusPopover:
    """Explains the status while it is open."""

    def __init__(self, popover: Any) -> None:
        self._popover = popover
        self._open = False
        self._facts: tuple[tuple[str, str], ...] = ()
        on(popover, "click", self._clicked)

    def toggled(self, opened: bool, status: Status) -> None:
        """Note that the popover was opened or closed."""
        self._open = opened
        if opened:
            self.render(status)
            self._popover.focus()
            spawn(self._look_at_storage(durable=status.durable))

    def render(self, status: Status) -> None:
        """Explain the status, if anybody looks."""
        if not self._open:
            return
        set_text(part(self._popover, "title"), connection_text(status.connection))
        set_text(part(self._popover, "text"), explain(status))
        known = facts(status)
        if known != self._facts:
            self._facts = known
            lines = [element for pair in known for element in _line(*pair)]
            part(self._popover, "facts").replaceChildren(*lines)

    async def _look_at_storage(self, *, durable: bool) -> None:
        """Say so where the browser may clear the storage; not all browsers tell."""
        asked = hasattr(navigator, "storage") and hasattr(navigator.storage, "persisted")
        persisted = bool(await navigator.storage.persisted()) if asked else None
        note = storage_note(persisted, durable=durable)
        set_text(part(self._popover, "storage"), note)
        part(self._popover, "storage").hidden = not note

    def _clicked(self, event: Any) -> None:
        if event.target.closest("a"):
            self._popover.hidePopover()


def _line(name: str, value: str) -> tuple[Any, Any]:
    term, text = document.createElement("dt"), document.createElement("dd")
    term.textContent, text.textContent = name, value
    return term, text
