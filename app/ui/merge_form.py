"""The form in which a person merges both versions of a note; what they write is kept as a draft."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from app.core.notes import Note
from app.sync.conflicts import Conflict
from app.sync.drafts import Drafts
from app.ui.dom import on, part
from app.ui.draft import DraftKeeper
from app.ui.note_draft import unchecked_note
from app.ui.note_words import FIELDS
from app.ui.page import spawn


class MergeForm:
    """Takes the place of the choices while it is open; `save` gets what was made of both."""

    def __init__(self, card: Any, drafts: Drafts, save: Callable[[Note], None]) -> None:
        self._choices = part(card, "choices")
        self._form = part(card, "merge-form")
        self._fields = {name: part(self._form, f"merge-{name}") for name in FIELDS}
        self._drafts = drafts
        self._keeper = DraftKeeper(drafts, "", self._unsaved)
        self._action_id = ""
        self._save = save
        on(self._form, "submit", self._submitted)
        on(self._form, "input", lambda _event: self._keeper.changed())

    def follow(self, conflict: Conflict) -> None:
        """Be closed for another conflict, unless its merge was begun before: then go on with it."""
        self._keeper.follow(_name(conflict.action_id))
        self._action_id = conflict.action_id
        self._show(False)
        spawn(self._restore(conflict.action_id))

    def open(self, conflict: Conflict) -> None:
        """Begin with what can be merged without asking, or else with the device's version."""
        merged = conflict.merged.data or conflict.mine or conflict.theirs or {}
        self._write(merged)
        self._show(True)
        self._fields["title"].focus()

    def cancel(self) -> None:
        """Close it, and forget what was written."""
        self._show(False)
        self._keeper.changed()
        self._keeper.flush()
        part(self._choices, "merge").focus()

    def leave(self) -> None:
        """Keep what was written, until the conflict is shown again."""
        self._keeper.flush()
        self._keeper.rename("")
        self._action_id = ""
        self._show(False)

    async def forget(self, action_id: str) -> None:
        """Keep nothing of a conflict that was resolved."""
        await self._keeper.settled()
        await self._drafts.keep(_name(action_id), "")

    async def _restore(self, action_id: str) -> None:
        await self._keeper.settled()
        kept = await self._drafts.get(_name(action_id))
        if self._action_id != action_id or kept is None or not self._form.hidden:
            return
        self._write(json.loads(kept.text))
        self._keeper.begin(kept.text)
        self._show(True)

    def _unsaved(self) -> str:
        return "" if self._form.hidden else json.dumps(self._written().model_dump())

    def _written(self) -> Note:
        title, body = (str(self._fields[name].value) for name in FIELDS)
        return unchecked_note(title, body)

    def _write(self, merged: Mapping[str, Any]) -> None:
        for name, field in self._fields.items():
            field.value = str(merged.get(name, ""))

    def _show(self, is_open: bool) -> None:
        self._choices.hidden, self._form.hidden = is_open, not is_open

    def _submitted(self, event: Any) -> None:
        event.preventDefault()
        self._save(self._written())


def _name(action_id: str) -> str:
    return f"merge:{action_id}"
