"""The form of one note: its fields, what became of it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from app.core.notes import MAX_TITLE, Note
from app.protocol import MAX_TEXT
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.note_draft import FIELDS, unchecked_note

VERBS = ("save", "delete", "discard-draft", "undo")


class NoteEditor:
    """Shows a note in its form; `verbs` are called by the names of the buttons."""

    def __init__(
        self, verbs: Mapping[str, Callable[[], None]], changed: Callable[[], None]
    ) -> None:
        self._form = by_test_id("note-form")
        self._fields = {name: part(self._form, name) for name in FIELDS}
        self._fields["title"].maxLength = MAX_TITLE
        self._fields["body"].maxLength = MAX_TEXT
        self._verbs = verbs
        self._changed = changed
        self._opened = Note()
        on(self._form, "submit", self._submitted)
        on(self._form, "input", self._typed)
        on(self._form, "click", self._clicked)
        on(self._form, "keydown", self._key_pressed)

    def open(self, note: Note, *, is_new: bool) -> None:
        """Show a note as it is, or an empty form for a new one."""
        self._opened = note
        self._write(note)
        part(self._form, "delete").hidden = is_new
        self._form.hidden = False
        self.refuse("", {})
        self._show_changed()

    def close(self) -> None:
        """Show no note."""
        self._form.hidden = True

    def focus(self) -> None:
        """Let a person begin to write."""
        self._fields["title"].focus()

    def restore(self, draft: Note) -> None:
        """Put back what was written before and not saved."""
        self._write(draft)
        self._show_changed()

    def saved(self, note: Note, *, is_new: bool = False) -> None:
        """Take this for what is saved; what else the fields hold stays, and is not."""
        self._opened = note
        part(self._form, "delete").hidden = is_new
        self.refuse("", {})
        self._show_changed()

    def follow(self, written: Note, note: Note) -> None:
        """Show what is `written` now that the note has changed elsewhere."""
        self._opened = note
        for name in FIELDS:
            if self._fields[name].value != getattr(written, name):
                self._fields[name].value = getattr(written, name)
        self._show_changed()

    def written(self) -> Note:
        """Return what is in the fields now."""
        title, body = (str(self._fields[name].value) for name in FIELDS)
        return unchecked_note(title, body)

    @property
    def is_changed(self) -> bool:
        """Whether the fields hold something that was not saved."""
        return self.written() != self._opened

    @property
    def is_open(self) -> bool:
        """Whether a note is shown."""
        return not self._form.hidden

    def tell(self, state: str, status: str, reason: str = "", *, undo: bool = False) -> None:
        """Show what became of the note: `state` in words, and why where it was refused."""
        self._form.dataset.status = status
        set_text(part(self._form, "state"), state)
        set_text(part(self._form, "reason"), reason)
        part(self._form, "undo").hidden = not undo

    def refuse(self, reason: str, fields: Mapping[str, str]) -> None:
        """Say why the note cannot be saved, at its fields; an empty reason takes it back."""
        set_text(part(self._form, "error"), reason)
        for name, field in self._fields.items():
            if name in fields:
                field.setAttribute("aria-invalid", "true")
            else:
                field.removeAttribute("aria-invalid")
            set_text(part(self._form, f"{name}-error"), fields.get(name, ""))

    def _write(self, note: Note) -> None:
        for name in FIELDS:
            self._fields[name].value = getattr(note, name)

    def _show_changed(self) -> None:
        changed = self.is_changed
        part(self._form, "save").disabled = not changed
        part(self._form, "draft").hidden = not changed
        part(self._form, "discard-draft").hidden = not changed

    def _typed(self, _event: Any) -> None:
        self._show_changed()
        self._changed()

    def _submitted(self, event: Any) -> None:
        event.preventDefault()
        self._verbs["save"]()

    def _clicked(self, event: Any) -> None:
        button = event.target.closest("button[data-part]")
        if button and button.type == "button" and button.dataset.part in VERBS:
            self._verbs[button.dataset.part]()

    def _key_pressed(self, event: Any) -> None:
        if event.key.lower() == "s" and (event.ctrlKey or event.metaKey):
            event.preventDefault()
            self._verbs["save"]()
