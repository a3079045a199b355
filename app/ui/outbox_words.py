"""What the outbox says of an entry: type, item, state, reasons, times. Pure, as `words.py` is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from app.core.entry import Entry
from app.sync.report import Status
from app.ui.words import HOLD, clock_time, day_text, moment, plural

LABEL_FIELDS = ("text", "title", "name", "body")
"""Fields that name an item to a person, the best first."""
LABEL_LENGTH = 140
VERBS = {"create": "New", "update": "Change", "delete": "Delete"}
NOUNS = {"messages": "message", "notes": "note", "resolutions": "record of a decision"}
STATES = {
    "pending": "Waiting to send",
    "in_flight": "Sending…",
    "blocked": "Held back",
    "conflict": "In conflict",
    "failed": "Not sent",
}
NAMED = 2
"""How many of the entries that one waits for are named."""


@dataclass(frozen=True)
class Card:
    """What is shown of an entry. `can` names what a person can do with it besides discarding and
    exporting: `retry`, `edit`, `open`.
    """

    action_id: str
    type: str
    state: str
    kind: str
    label: str
    state_text: str
    attempts: str
    written: str = ""
    waits: str = ""
    error: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    can: tuple[str, ...] = ()
    address: str = ""


def card(entry: Entry, status: Status, known: Mapping[int, Entry], today: date) -> Card:
    """Return what is shown of `entry`; `known` has the entries that it may wait for, by `seq`."""
    action = entry.readable()
    error = entry.error
    return Card(
        action_id=entry.id,
        type=entry.type,
        state=entry.state,
        kind=kind_text(entry),
        label=label_text(entry),
        state_text=state_text(entry, status),
        attempts=attempts_text(entry),
        written=_written(action.created_at, today) if action else "",
        waits=waits_text(entry, known),
        error=error.message if error else "",
        fields=tuple(error.fields.items()) if error else (),
        can=abilities(entry),
        address=f"#/notes/{entry.item_id}" if entry.collection == "notes" else "",
    )


def kind_text(entry: Entry) -> str:
    """Return an action's type in words."""
    if entry.damaged is not None:
        return "Damaged change"
    if entry.type in VERBS:
        noun = NOUNS.get(entry.collection, f"item of {_words(entry.collection)}")
        return f"{VERBS[entry.type]} {noun}"
    words = _words(entry.type)
    return words[:1].upper() + words[1:]


def label_text(entry: Entry) -> str:
    """Return what an entry's item is called: its text or title, else its collection and id."""
    action = entry.readable()
    for name in LABEL_FIELDS:
        for data in (action.data if action else None, entry.base):
            value = (data or {}).get(name)
            if isinstance(value, str) and value.strip():
                return _shortened(value)
    return f"{entry.collection} {entry.item_id}"


def state_text(entry: Entry, status: Status) -> str:
    """Return an entry's state in words; of a waiting one, for what it waits."""
    if entry.state == "pending":
        if status.hold is not None:
            return f"{HOLD[status.hold]} to send this"
        if status.connection.status == "disconnected":
            return "Waiting for a connection"
    return STATES[entry.state]


def attempts_text(entry: Entry) -> str:
    """Return how often an action was tried, as far as that was counted."""
    if entry.attempts:
        return f"{entry.attempts:,} failed {plural(entry.attempts, 'attempt', 'attempts')}"
    if entry.verdict == "rejected":
        return "Refused by the server"
    if entry.verdict == "conflict" or entry.state == "conflict":
        return "Somebody else changed this meanwhile"
    if entry.in_doubt:
        return "Tried, no answer yet"
    return "No attempt failed" if entry.sent else "Not tried yet"


def next_attempt_text(entry: Entry, status: Status, now: int) -> str:
    """Return when an action is tried next, at `now` in ms; nothing where its state says it all."""
    if entry.state != "pending":
        return ""
    if status.hold is not None:
        return "Next attempt after that"
    resting = status.next_attempt_at or 0
    due = max(entry.next_attempt_at, 0 if status.syncing else resting)
    left = due - now
    return "Next attempt now" if left <= 0 else f"Next attempt in {duration_text(left)}"


def duration_text(milliseconds: int) -> str:
    """Return a time to wait, in whole seconds that are not over before it is."""
    seconds = -(-milliseconds // 1000)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"


def waits_text(entry: Entry, known: Mapping[int, Entry]) -> str:
    """Return what a blocked entry waits for."""
    if entry.state != "blocked":
        return ""
    ahead = [known[seq] for seq in entry.waits_for if seq in known]
    named = [f"{kind_text(other)} “{_shortened(label_text(other), 40)}”" for other in ahead[:NAMED]]
    more = len(entry.waits_for) - len(named)
    if more and named:
        named.append(f"{more:,} more")
    return f"Waits for: {', '.join(named) or 'an earlier change'}"


def abilities(entry: Entry) -> tuple[str, ...]:
    """Return what a person can do with an entry, besides discarding and exporting it."""
    can = []
    if entry.state in ("failed", "conflict") and entry.damaged is None:
        can.append("retry")
    action = entry.readable()
    unknown = entry.in_doubt and entry.verdict is None
    if action is not None and action.data and entry.state != "in_flight" and not unknown:
        can.append("edit")
    if entry.state == "conflict" and entry.collection == "notes":
        can.append("open")
    return tuple(can)


def discard_text(entry: Entry) -> str:
    """Return what discarding an entry means."""
    if entry.state == "in_flight" or (entry.in_doubt and entry.verdict is None):
        end = "It may have reached the server already; it is only removed from this device."
    elif entry.state == "conflict":
        end = "Your version is removed; the one on the server stays."
    else:
        end = "It was not sent, and cannot be brought back."
    depends = " Changes that depend on it will fail." if entry.depended_on else ""
    return f"{end}{depends}"


def summary_text(status: Status) -> str:
    """Return how much is in the outbox, by what is to be done about it."""
    counts = (
        (status.pending, "waiting", "waiting"),
        (status.conflicts, "conflict", "conflicts"),
        (status.failed, "not sent", "not sent"),
    )
    known = [f"{count:,} {plural(count, one, many)}" for count, one, many in counts if count]
    return " · ".join(known) or "Nothing is waiting"


def imported_text(added: int, held: int, known: int) -> str:
    """Return what came of a file: how much was added, is held until Retry, and was known here."""
    changes = plural(added, "change was", "changes were")
    sentences = [f"{added:,} {changes} imported." if added else "Nothing new was imported."]
    if held:
        waits = plural(held, "waits", "wait")
        sentences.append(f"{held:,} of them may have been sent before and {waits} for Retry.")
    if known:
        left = plural(known, "change is known here and was", "changes are known here and were")
        sentences.append(f"{known:,} {left} left out.")
    return " ".join(sentences)


def file_name(day: date) -> str:
    """Return the name of an exported file."""
    return f"driftline-outbox-{day}.json"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shortened(text: str, length: int = LABEL_LENGTH) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def _written(created_at: int, today: date) -> str:
    when = moment(created_at)
    if when.date() == today:
        return clock_time(when)
    return f"{day_text(when.date(), today)}, {clock_time(when)}"
