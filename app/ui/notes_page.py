"""The notes' view: the list, the note that is open, and its conflict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from js import document

from app.core.notes import Note
from app.errors import DriftlineError
from app.sync.client import Client
from app.sync.collection import Collection, Shown
from app.sync.conflicts import Choice, Conflict
from app.ui.conflict_card import ConflictCard
from app.ui.dom import part
from app.ui.draft import DraftKeeper
from app.ui.note_editor import NoteEditor
from app.ui.note_history import NoteHistory
from app.ui.note_overview import NoteOverview
from app.ui.note_words import draft_text, note_state, read_draft
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
        self._client = client
        self._notes = notes
        self._notify = notify
        self._go = go
        self._view = document.querySelector('[data-view="notes"]')
        self._open: str | None = None
        self._shown: Shown[Note] | None = None
        self._overview = NoteOverview(client, notes, self._follow_open)
        verbs = {"save": self._save, "delete": self._delete, "undo": self._undo}
        self._editor = NoteEditor(verbs | {"discard-draft": self._discard_draft}, self._changed)
        self._card = ConflictCard(self._choose)
        self._undo_bar = UndoBar(part(self._view, "undo-bar"))
        self._history = NoteHistory(part(self._view, "history"), notes)
        self._draft = DraftKeeper(client.drafts, "note:", self._written)
        self._taps = Taps()

    async def start(self) -> None:
        """See `Page`."""
        await self._overview.start()

    def enter(self, item: str | None) -> None:
        """See `Page`."""
        self._view.dataset.open = "note" if item else "list"
        if item != self._open:
            self._draft.flush()
            self._open, self._shown = item, None
            self._overview.mark(item)
            spawn(self._show(item))

    def leave(self) -> None:
        """See `Page`."""
        self._draft.flush()

    def _follow_open(self) -> None:
        part(self._view, "loading").hidden = True
        if self._open not in (None, NEW):
            spawn(self._follow(self._open or ""))

    async def _show(self, item: str | None) -> None:
        """Show the list, an empty form, or a note with what was written on it before."""
        self._card.hide()
        self._editor.close()
        part(self._view, "gone").hidden = True
        part(self._view, "placeholder").hidden = item is not None
        if item is None:
            return
        if item == NEW:
            self._begin(item, Note())
            self._editor.tell("Not saved yet", "new")
        else:
            await self._follow(item)
        draft = await self._client.drafts.get(f"note:{item}")
        if self._open != item:
            return
        self._draft.begin(draft.text if draft else "")
        is_there = item == NEW or self._shown is not None
        if draft is not None and is_there and not self._editor.is_changed:
            self._editor.restore(read_draft(draft.text))
        if item == NEW:
            self._editor.focus()

    def _begin(self, item: str, note: Note) -> None:
        """Open the form: what is written from now on is the draft of this note."""
        self._draft.follow(f"note:{item}")
        self._editor.open(note, is_new=item == NEW)

    async def _follow(self, item: str) -> None:
        """Show an open note as it stands: its conflict, its content, or that it is gone."""
        conflict = await self._notes.conflict(item)
        shown = await self._notes.shown(item)
        if self._open != item:
            return
        part(self._view, "gone").hidden = bool(conflict or shown)
        if conflict is not None:
            self._card.show(conflict)
            self._editor.close()
        else:
            self._card.hide()
        if shown is None or conflict is not None:
            self._shown = None
            if shown is None:
                self._editor.close()
        elif self._shown is None:
            self._begin(item, shown.value)
            self._shown = shown
        else:
            self._editor.follow(shown.value)
            self._shown = shown
        if shown is not None:
            await self._tell(item, shown)
        await self._history.show(item, lambda: self._open == item)

    async def _tell(self, item: str, shown: Shown[Note]) -> None:
        undoable = shown.status == "pending" and await self._notes.undoable(item)
        if self._open == item:
            state = note_state(shown.status, offline=self._overview.offline)
            reason = shown.error.message if shown.error else ""
            self._editor.tell(state, shown.status, reason, undo=undoable)

    def _written(self) -> str:
        """Return the draft: what is in the form, if that was not saved."""
        if not self._editor.is_changed:
            return ""
        return draft_text(self._editor.written())

    def _changed(self) -> None:
        self._editor.refuse("", {})
        self._draft.changed()

    def _discard_draft(self) -> None:
        self._editor.open(self._shown.value if self._shown else Note(), is_new=not self._shown)
        self._draft.changed()
        if self._shown is not None:
            spawn(self._tell(self._shown.id, self._shown))

    def _save(self) -> None:
        if self._editor.is_changed:
            note, shown = self._editor.written(), self._shown
            self._taps.do(("save", self._open), lambda: self._save_written(note, shown))

    async def _save_written(self, note: Note, shown: Shown[Note] | None) -> None:
        try:
            item = await self._notes.save(note, shown.id if shown else None, seen=shown)
        except DriftlineError as error:
            self._editor.refuse(str(error), getattr(error, "fields", {}))
            return
        place = item if shown else NEW
        if self._open == place:
            self._editor.saved(note)
            self._draft.begin("")
            if place == NEW:
                # Its state is read below; until then, one more save changes this note.
                self._open, self._shown = item, Shown(item, note, "pending", order=(0, 0))
                self._draft.rename(f"note:{item}")
                self._overview.mark(item)
                self._go(item)
        await self._client.drafts.keep(f"note:{place}", "")
        if self._open == item:
            self._draft.changed()  # something may have been written meanwhile
            await self._follow(item)

    def _delete(self) -> None:
        if self._shown is not None:
            item = self._shown.id
            work = self._delete_note
            self._taps.do(("delete", item), lambda: telling(self._notify, work(item)))

    async def _delete_note(self, item: str) -> None:
        deletion = await self._notes.delete(item)
        await self._client.drafts.keep(f"note:{item}", "")
        self._offer_undo("Note deleted.", deletion.undo)
        self._go(None)

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

    def _offer_undo(self, text: str, undo: Callable[[], Awaitable[Any]]) -> None:
        async def take_back() -> None:
            await undo()

        self._undo_bar.offer(text, lambda: spawn(telling(self._notify, take_back())))
