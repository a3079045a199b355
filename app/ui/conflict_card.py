"""The card of a conflict: both versions side by side, what differs marked, and the choices."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from js import document

from app.core.notes import Note
from app.core.textdiff import Span, compare
from app.sync.conflicts import Choice, Conflict
from app.sync.drafts import Drafts
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.merge_form import MergeForm
from app.ui.note_words import FIELDS, choice_words, conflict_text

Choose = Callable[[Choice, Note | None, Conflict], None]
DELETED = "Deleted"


class ConflictCard:
    """Shows a conflict; `choose` gets the choice, with `merge` the note, and what was seen."""

    def __init__(self, choose: Choose, drafts: Drafts) -> None:
        self._card = by_test_id("conflict")
        self._choices = part(self._card, "choices")
        self._choose = choose
        self._conflict: Conflict | None = None
        self.merge = MergeForm(self._card, drafts, self._merged)
        on(self._card, "click", self._clicked)

    @property
    def shows(self) -> str | None:
        """The id of the item whose conflict is shown, if any."""
        return self._conflict.id if self._conflict else None

    def show(self, conflict: Conflict) -> None:
        """Show a conflict; a merge that was begun stays, also where a version has moved on."""
        if conflict == self._conflict:
            return
        moved_on = self._conflict is not None and self._conflict.id == conflict.id
        self._conflict = conflict
        self._card.dataset.id = conflict.id
        set_text(part(self._card, "about"), conflict_text(conflict.kind, list(conflict.fields)))
        part(self._card, "moved-on").hidden = not moved_on
        keep, use = choice_words(conflict.kind)
        set_text(part(self._choices, "mine-label"), keep)
        set_text(part(self._choices, "theirs-label"), use)
        self._draw(conflict)
        if not moved_on:
            self.merge.follow(conflict)
        self._card.hidden = False

    def hide(self) -> None:
        """Show no conflict."""
        self.merge.leave()
        self._conflict = None
        self._card.hidden = True

    def refuse(self, reason: str) -> None:
        """Say why a choice could not be carried out."""
        set_text(part(self._card, "error"), reason)

    def _draw(self, conflict: Conflict) -> None:
        set_text(part(self._card, "error"), "")
        mine, theirs = part(self._card, "mine"), part(self._card, "theirs")
        mine.replaceChildren()
        theirs.replaceChildren()
        if conflict.mine is None or conflict.theirs is None:
            self._draw_whole(mine, conflict.mine)
            self._draw_whole(theirs, conflict.theirs)
            return
        for name in FIELDS:
            ours, other = str(conflict.mine.get(name, "")), str(conflict.theirs.get(name, ""))
            spans = compare(ours, other)
            for version, found in zip((mine, theirs), spans, strict=True):
                self._draw_field(version, name, found, differs=name in conflict.fields)

    def _draw_whole(self, version: Any, data: dict[str, Any] | None) -> None:
        if data is None:
            gone = document.createElement("p")
            gone.className = "version__deleted"
            gone.textContent = DELETED
            version.append(gone)
            return
        for name in FIELDS:
            text = str(data.get(name, ""))
            self._draw_field(version, name, [Span(text, False)], differs=False)

    def _draw_field(self, version: Any, name: str, spans: Iterable[Span], *, differs: bool) -> None:
        term, value = document.createElement("dt"), document.createElement("dd")
        set_text(term, f"{FIELDS[name]} differs" if differs else FIELDS[name])
        value.dataset.field = name
        value.dataset.differs = "true" if differs else "false"
        value.setAttribute("dir", "auto")
        for span in spans:
            piece = document.createElement("mark" if span.changed else "span")
            piece.textContent = span.text
            value.append(piece)
        version.append(term, value)

    def _clicked(self, event: Any) -> None:
        button = event.target.closest("button[data-choice]")
        if not button or self._conflict is None:
            return
        choice = button.dataset.choice
        if choice == "merge":
            self.merge.open(self._conflict)
        elif choice == "cancel":
            self.merge.cancel()
        else:
            self._choose(choice, None, self._conflict)

    def _merged(self, note: Note) -> None:
        if self._conflict is not None:
            self._choose("merge", note, self._conflict)
