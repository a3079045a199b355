"""How the conflicts of a note were resolved: who, when, which choice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.core.notes import Note
from app.sync.collection import Collection
from app.ui.dom import clone, part, set_text
from app.ui.note_words import resolution_text

SHOWN = 20


class NoteHistory:
    """Shows the newest resolutions of the note that is open, if there are any."""

    def __init__(self, panel: Any, notes: Collection[Note]) -> None:
        self._panel = panel
        self._notes = notes

    async def show(self, item: str, is_open: Callable[[], bool]) -> None:
        """Show what was resolved in a note, if that is still open once it is known."""
        history = await self._notes.resolutions(item, SHOWN)
        if not is_open():
            return
        now = datetime.now().astimezone()
        self._panel.hidden = not history
        entries = part(self._panel, "entries")
        entries.replaceChildren()
        for it in history:
            line = clone("resolution-template")
            set_text(line, resolution_text(it.choice, it.name, it.resolved_at, now))
            entries.append(line)
