"""The end that every tab of a device comes to when everything on it was deleted."""

from __future__ import annotations

from js import document, driftlineTheme, location

from app.sync.stores import Readable
from app.ui.dom import by_test_id, on, part


def watch_end(erased: Readable[bool]) -> None:
    """Say that it is over, once it is, whichever views are loaded."""
    erased.subscribe(lambda is_erased: _end() if is_erased else None)


def _end() -> None:
    """Nothing on the page is true any more, so nothing of it can be reached."""
    driftlineTheme(None)
    for dialog in document.querySelectorAll("dialog[open]"):
        dialog.close()
    for part_of_page in document.querySelectorAll(".bar, .ribbons, .view"):
        part_of_page.inert = True
    panel = by_test_id("erased")
    again = part(panel, "again")
    on(again, "click", lambda _event: location.reload())
    panel.hidden = False
    again.focus()
