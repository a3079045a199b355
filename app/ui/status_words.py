"""The words that explain the status: what is connected, what waits, what to do next. Pure."""

from __future__ import annotations

from app.sync.report import Status
from app.ui.words import clock_time, moment, plural

ALL_SENT = "Everything has been sent, and this device is up to date."
HOLD_REASONS = {
    "sign_in": "The server asks you to sign in.",
    "update": "The server asks for a newer version of the app.",
}
STORAGE_NOTE = (
    "This browser may clear what is stored here when the device runs out of room. "
    "The settings say how to keep it from that."
)
MEMORY_NOTE = "This browser keeps nothing here: closing this page loses what was not sent."


def explain(status: Status) -> str:
    """Return in a few sentences how things stand, and what there is to do."""
    sentences = (_connection(status), _waiting(status), _attention(status))
    return " ".join(sentence for sentence in sentences if sentence)


def facts(status: Status) -> tuple[tuple[str, str], ...]:
    """Return the times and the reason behind the status, as pairs of a name and a value."""
    synced = "Not yet" if status.last_synced is None else _time(status.last_synced)
    known = [("Last synced", synced)]
    if status.last_error is not None:
        known.append(("Last error", status.last_error))
    if status.next_attempt_at is not None and status.hold is None:
        known.append(("Next attempt", _time(status.next_attempt_at)))
    return tuple(known)


def storage_note(persisted: bool | None, *, durable: bool = True) -> str:
    """Return what to know of the storage; nothing where it is safe, or nobody knows."""
    if not durable:
        return MEMORY_NOTE
    return STORAGE_NOTE if persisted is False else ""


def _connection(status: Status) -> str:
    if status.hold is not None:
        return HOLD_REASONS[status.hold]
    connection = status.connection
    if connection.status == "disconnected":
        if connection.no_server:
            return "The network works, but no Driftline server answers at its address."
        return "The server cannot be reached from here."
    if connection.status == "connecting":
        return "The server is being asked."
    if status.last_error is not None:
        return "The server is there, but did not take what was sent."
    return "This device is connected to the server." if status.count else ALL_SENT


def _waiting(status: Status) -> str:
    if not status.pending:
        return ""
    one = status.pending == 1
    changes = f"{status.pending:,} {plural(status.pending, 'change', 'changes')}"
    wait, are = ("waits", "is") if one else ("wait", "are")
    where = "on this device" if status.durable else "in this page, while it is open,"
    if status.hold is not None:
        return f"{changes} {wait} {where} until then."
    if status.connection.status == "connecting":
        return f"{changes} {wait} {where} and {are} sent once it answers."
    if status.connection.status == "disconnected":
        return f"{changes} {wait} {where} and {are} sent when the connection is back."
    if status.last_error is not None:
        itself = "itself" if one else "themselves"
        return f"{changes} {wait} {where} and {are} tried again by {itself}."
    if status.syncing:
        return f"{changes} {are} being sent."
    return f"{changes} {wait} for {plural(status.pending, 'its', 'their')} turn."


def _attention(status: Status) -> str:
    sentences = []
    if status.failed:
        what = plural(status.failed, "change was not sent", "changes were not sent")
        them = plural(status.failed, "it", "them")
        sentences.append(f"{status.failed:,} {what}: retry, edit or discard {them} in the outbox.")
    if status.conflicts:
        what = plural(status.conflicts, "change is in conflict", "changes are in conflict")
        sentences.append(f"{status.conflicts:,} {what}: choose a version in the notes.")
    return " ".join(sentences)


def _time(milliseconds: int) -> str:
    return clock_time(moment(milliseconds))
