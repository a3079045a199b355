"""What a person writes on the open note: in its form, and kept as a draft until it is saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from app.core.notes import Note
from app.sync.drafts import Drafts
from app.ui.draft import DraftKeeper
from app.ui.note_draft import NoteDraft, read_draft
from app.ui.note_editor import NoteEditor

GONE = "Deleted meanwhile. Save to keep what you wrote as a new note"


class NoteWriting:
    """The form of the note that is open, by the name of its place in the address."""

    def __init__(self, verbs: Mapping[str, Callable[[], None]], drafts: Drafts) -> None:
        self.editor = NoteEditor(verbs, self._changed)
        self._drafts = drafts
        self._keeper = DraftKeeper(drafts, "", self.unsaved)
        self._based = NoteDraft.of(Note())
        self._place: str | None = None

    def begin(self, place: str, note: Note, version: int = 0, *, is_new: bool = False) -> None:
        """Open the form of a note, as the server has it in `version`."""
        self._keeper.follow(_name(place))
        self._place = place
        self._based = NoteDraft.of(note, version)
        self.editor.open(note, is_new=is_new)

    async def restore(self, place: str) -> None:
        """Put back what was written before and not saved, but not over what is being written."""
        await self._keeper.settled()
        kept = await self._drafts.get(_name(place))
        if self._place != place:
            return
        self._keeper.begin(kept.text if kept else "")
        if kept is not None and not self.editor.is_changed:
            now = self._based
            self._based = read_draft(kept.text, now).follow(now.base, now.version)
            self.editor.restore(self._based.written)

    async def restore_lost(self, place: str, is_open: Callable[[], bool]) -> None:
        """Take what is or was written on a note that is gone for the text of a new one."""
        if not (self.editor.is_open and self.editor.is_changed):
            await self._keeper.settled()
            kept = await self._drafts.get(_name(place))
            if not is_open():
                return
            if kept is None:
                self.close()
                return
            self.begin(place, Note())
            self._keeper.begin(kept.text)
            self.editor.restore(read_draft(kept.text, self._based).written)
        self._based = NoteDraft(self.editor.written())
        self.editor.saved(Note(), is_new=True)
        self.editor.tell(GONE, "new")

    def follow(self, note: Note, version: int) -> None:
        """Show what became of the note elsewhere, in the fields on which nothing was written."""
        self._based = self.written().follow(note, version)
        self.editor.follow(self._based.written, note)

    def written(self) -> NoteDraft:
        """Return what is in the form, and what it is based on."""
        return replace(self._based, written=self.editor.written())

    def unsaved(self) -> str:
        """Return the draft to keep: what is in the form, if that was not saved."""
        return self.written().text() if self.editor.is_changed else ""

    def flush(self) -> None:
        """Keep at once what was typed last."""
        self._keeper.flush()

    def close(self) -> None:
        """Show no form; what was written is kept."""
        self._keeper.flush()
        self.editor.close()

    def discard(self, note: Note, version: int, *, is_new: bool) -> None:
        """Show the note as it is, and forget what was written."""
        self._based = NoteDraft.of(note, version)
        self.editor.open(note, is_new=is_new)
        self._keeper.changed()
        self._keeper.flush()

    def saved(self, draft: NoteDraft, item: str) -> None:
        """Take a draft for saved, as the note `item`; what was written since is its next one."""
        self._based = NoteDraft.of(draft.written, draft.version)
        self.editor.saved(draft.written)
        self._keeper.begin("")
        if item != self._place:
            self._place = item
            self._keeper.rename(_name(item))
        self._keeper.changed()

    async def keep(self, place: str, text: str) -> None:
        """Keep a draft, or with no text none."""
        await self._keeper.keep(_name(place), text)

    def _changed(self) -> None:
        self.editor.refuse("", {})
        self._keeper.changed()


def _name(place: str) -> str:
    return f"note:{place}"
