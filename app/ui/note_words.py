"""The words for notes and their conflicts: titles, excerpts, states, choices. Pure."""

from __future__ import annotations

from datetime import datetime

from app.core.notes import Note
from app.core.view import ItemStatus
from app.ui.words import clock_time, day_text, moment

EXCERPT = 140
"""Characters of a note's body that the list shows."""
UNTITLED = "Untitled note"
STATES = {"synced": "Synced", "conflict": "Conflict", "failed": "Not sent"}
FIELDS = {"title": "Title", "body": "Body"}


def title_text(note: Note) -> str:
    """Return what a note is called: its title, or else how its body begins."""
    first = note.body.strip().partition("\n")[0].strip()
    return note.title.strip() or first[:EXCERPT] or UNTITLED


def excerpt(note: Note) -> str:
    """Return the beginning of a note's body in one line; nothing where it is the title already."""
    if not note.title.strip():
        return ""
    text = " ".join(note.body[: 4 * EXCERPT].split())
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1].rstrip()}…"


def matches(note: Note, query: str) -> bool:
    """Tell whether each word of `query` is in the note, whatever its case."""
    text = f"{note.title}\n{note.body}".casefold()
    return all(word in text for word in query.casefold().split())


def note_state(status: ItemStatus, *, offline: bool) -> str:
    """Return the words for a note's status."""
    if status == "pending":
        return "Waiting to send" if offline else "Sending…"
    return STATES[status]


def when_text(updated_at: int, now: datetime) -> str:
    """Return when a note was changed on the server, `updated_at` in µs; nothing for 0."""
    if not updated_at:
        return ""
    when = moment(updated_at // 1000)
    if when.date() == now.date():
        return clock_time(when)
    return day_text(when.date(), now.date())


def found_text(count: int, query: str) -> str:
    """Return how many notes a search found, for those who cannot see the list."""
    if not query.strip():
        return ""
    if count == 0:
        return f"No note contains “{query.strip()}”."
    return f"{count:,} {'note' if count == 1 else 'notes'} found."


def choice_words(kind: str) -> tuple[str, str]:
    """Return the words for keeping mine and for using the server's, in a conflict of a kind."""
    if kind == "deleted_there":
        return "Restore", "Delete"
    if kind == "deleted_here":
        return "Delete", "Restore"
    return "Keep mine", "Use server"


def conflict_text(kind: str, fields: list[str]) -> str:
    """Return in a sentence what a conflict is about."""
    if kind == "deleted_there":
        return "You changed this note while somebody else deleted it."
    if kind == "deleted_here":
        return "You deleted this note while somebody else changed it."
    names = " and ".join(FIELDS.get(name, name).lower() for name in fields) or "note"
    return f"You and somebody else changed the {names} at the same time. Neither is lost: choose."


def resolution_text(choice: str, name: str, resolved_at: int, now: datetime) -> str:
    """Return one line of the history of resolutions; `resolved_at` in milliseconds."""
    done = {
        "mine": "kept their own version",
        "theirs": "used the server's version",
        "merge": "merged both versions",
    }.get(choice, "resolved a conflict")
    when = moment(resolved_at)
    day = day_text(when.date(), now.date())
    return f"{name or 'Somebody'} {done} · {day}, {clock_time(when)}"
