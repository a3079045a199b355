"""The notes' view: the list, the note that is open, and its conflict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from js import document

from app.core.notes import Note
from app.errors import DriftlineError
from app.sync.client import Client
from app.sync.collection import Collection, Shown
from app.sync.conflicts import Choice, Conflict
from app.ui.conflict_card import ConflictCard
from app.ui.dom import part
from app.ui.note_draft import NoteDraft
from app.ui.note_history import NoteHistory
from app.ui.note_overview import NoteOverview
from app.ui.note_words import note_state
from app.ui.note_writing import NoteWriting
from app.ui.page import Taps, spawn, telling
from app.ui.undo_bar import UndoBar

NEW = "new"
"""What the address says in place of an id for a note that is not there yet."""


class NotesPage:
    """Shows notes, keeps what is written as a draft, and puts conflicts to a person.

    `go` opens a note by its id, `None` the list.
    """

    def __init__(
        self,
        client: Client,
        notes: Collection[Note],
        notify: Callable[[str], None],
        go: Callable[[str | None], None],
    ) -> None:
        self._notes = notes
        self._notify = notify
        self._go = go
        self._view = document.querySelector('[data-view="notes"]')
        self._open: str | None = None
        self._shown: Shown[Note] | None = None
        self._overview = NoteOverview(client, notes, self._follow_open)
        verbs = {"save": self._save, "delete": self._delete, "undo": self._undo}
        self._writing = NoteWriting(verbs | {"discard-draft": self._discard_draft}, client.drafts)
        self._editor = self._writing.editor
        self._card = ConflictCard(self._choose, client.drafts)
        self._undo_bar = UndoBar(part(self._view, "undo-bar"))
        self._history = NoteHistory(part(self._view, "history"), notes)
        self._taps = Taps()

    async def start(self) -> None:
        """See `Page`."""
        await self._overview.start()

    def enter(self, item: str | None) -> None:
        """See `Page`."""
        self._view.dataset.open = "note" if item else "list"
        if item != self._open:
            self._writing.flush()
            self._open, self._shown = item, None
            self._overview.mark(item)
            spawn(self._show(item))

    def leave(self) -> None:
        """See `Page`."""
        self._writing.flush()

    def _follow_open(self) -> None:
        part(self._view, "loading").hidden = True
        if self._open not in (None, NEW):
            spawn(self._follow(self._open or ""))

    async def _show(self, item: str | None) -> None:
        """Show the list, an empty form, or a note with what was written on it before."""
        self._card.hide()
        self._writing.close()
        part(self._view, "gone").hidden = True
        part(self._view, "placeholder").hidden = item is not None
        if item is None:
            return
        if item != NEW:
            await self._follow(item)
            return
        self._writing.begin(item, Note(), is_new=True)
        self._editor.tell("Not saved yet", "new")
        await self._writing.restore(item)
        if self._open == item:
            self._editor.focus()

    async def _follow(self, item: str) -> None:
        """Show an open note as it stands: its conflict, its content, or that it is gone."""
        conflict = await self._notes.conflict(item)
        shown = await self._notes.shown(item)
        if self._open != item:
            return
        if conflict or shown:
            part(self._view, "gone").hidden = True
        before, self._shown = self._shown, None if conflict else shown
        if conflict is not None:
            self._writing.close()
            self._card.show(conflict)
        else:
            self._card.hide()
            await self._show_content(item, before, shown)
        if shown is not None:
            await self._tell(item, shown)
        await self._history.show(item, lambda: self._open == item)

    async def _show_content(
        self, item: str, before: Shown[Note] | None, shown: Shown[Note] | None
    ) -> None:
        if shown is None:
            await self._writing.restore_lost(item, lambda: self._open == item)
            part(self._view, "gone").hidden = self._open != item or self._editor.is_open
        elif before is None:
            self._writing.begin(item, shown.value, shown.server_version)
            await self._writing.restore(item)
        else:
            self._writing.follow(shown.value, shown.server_version)

    async def _tell(self, item: str, shown: Shown[Note]) -> None:
        undoable = shown.status == "pending" and await self._notes.undoable(item)
        if self._open == item:
            state = note_state(shown.status, offline=self._overview.offline)
            reason = shown.error.message if shown.error else ""
            self._editor.tell(state, shown.status, reason, undo=undoable)

    def _discard_draft(self) -> None:
        note, version = Note(), 0
        if self._shown is not None:
            note, version = self._shown.value, self._shown.server_version
        self._writing.discard(note, version, is_new=self._shown is None)
        self._follow_open()

    def _save(self) -> None:
        if self._editor.is_changed and self._open is not None:
            place, draft, shown = self._open, self._writing.written(), self._shown
            if shown is not None:
                shown = replace(shown, value=draft.base, server_version=draft.version)
            self._taps.do(("save", place), lambda: self._save_written(place, draft, shown))

    async def _save_written(self, place: str, draft: NoteDraft, seen: Shown[Note] | None) -> None:
        try:
            item = await self._notes.save(draft.written, seen.id if seen else None, seen=seen)
        except DriftlineError as error:
            self._editor.refuse(str(error), getattr(error, "fields", {}))
            return
        if self._open == place:
            self._writing.saved(draft, item)
            if item != place:
                # Its state is read below; until then, one more save changes this note.
                self._open = item
                self._shown = Shown(item, draft.written, "pending", order=(0, 0))
                self._overview.mark(item)
                self._go(item)
        await self._writing.keep(place, "")
        if self._open == item:
            await self._follow(item)

    def _delete(self) -> None:
        if self._shown is not None:
            item, unsaved = self._shown.id, self._writing.unsaved()
            work = self._delete_note
            self._taps.do(("delete", item), lambda: telling(self._notify, work(item, unsaved)))

    async def _delete_note(self, item: str, unsaved: str) -> None:
        deletion = await self._notes.delete(item)
        if self._open == item:
            self._editor.saved(self._editor.written())
            self._go(None)

        async def bring_back() -> None:
            await deletion.undo()
            await self._writing.keep(item, unsaved)

        self._offer_undo("Note deleted.", bring_back)
        await self._writing.keep(item, "")

    def _undo(self) -> None:
        if self._open is not None:
            item = self._open
            self._taps.do(("undo", item), lambda: telling(self._notify, self._notes.undo(item)))

    def _choose(self, choice: Choice, merged: Note | None, seen: Conflict) -> None:
        self._taps.do(("resolve", seen.id), lambda: self._resolve(choice, merged, seen))

    async def _resolve(self, choice: Choice, merged: Note | None, seen: Conflict) -> None:
        try:
            await self._notes.resolve(seen.id, choice, merged, seen=seen)
        except DriftlineError as error:
            self._card.refuse(str(error))
            self._notify(str(error))
            return
        if self._card.shows == seen.id:
            self._card.hide()
        self._offer_undo("Conflict resolved.", lambda: self._notes.undo(seen.id))
        await self._card.merge.forget(seen.action_id)

    def _offer_undo(self, text: str, undo: Callable[[], Awaitable[Any]]) -> None:
        async def take_back() -> None:
            await undo()

        self._undo_bar.offer(text, lambda: spawn(telling(self._notify, take_back())))
