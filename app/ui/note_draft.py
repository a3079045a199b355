"""What is being written on a note: what it is based on, how it goes with what others do. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from app.core.notes import Note

FIELDS = tuple(Note.model_fields)


@dataclass(frozen=True)
class NoteDraft:
    """What was `written` on a note and not saved: on the content `base`, of the server's `version`.

    A new note is based on an empty one.
    """

    written: Note
    base: Note = Note()
    version: int = 0

    @classmethod
    def of(cls, note: Note, version: int = 0) -> NoteDraft:
        """Return the draft of a note on which nothing was written yet."""
        return cls(note, note, version)

    def follow(self, current: Note, version: int) -> NoteDraft:
        """Return the draft on what the note is by now, at the server's `version`.

        A field on which nothing was written shows what it is now; what was written stays. Where
        others have changed that field, too, the draft stays based on what the person saw: to save
        it is a conflict then, and overwrites nothing.
        """
        written, base, clashes = {}, {}, False
        for name in FIELDS:
            mine, seen, now = (getattr(it, name) for it in (self.written, self.base, current))
            clash = mine != seen and now not in (seen, mine)
            written[name] = now if mine == seen else mine
            base[name] = seen if clash else now
            clashes = clashes or clash
        return NoteDraft(
            unchecked_note(**written), unchecked_note(**base), self.version if clashes else version
        )

    def text(self) -> str:
        """Return it as it is kept."""
        base = {"base": self.base.model_dump(), "version": self.version}
        return json.dumps(self.written.model_dump() | base)


def read_draft(text: str, on: NoteDraft) -> NoteDraft:
    """Return what was kept; one that cannot be read any more counts as text of the body.

    One that does not say what it is based on goes with the note as it is now: `on`.
    """
    try:
        kept = json.loads(text)
        written = unchecked_note(str(kept["title"]), str(kept["body"]))
        if "base" not in kept:
            return NoteDraft(written, on.base, on.version)
        base = unchecked_note(str(kept["base"]["title"]), str(kept["base"]["body"]))
        return NoteDraft(written, base, int(kept["version"]))
    except (ValueError, KeyError, TypeError):
        return NoteDraft(unchecked_note("", text), on.base, on.version)


def unchecked_note(title: str, body: str) -> Note:
    """Return what is in a form, which may be too long to be saved."""
    return Note.model_construct(title=title, body=body)
