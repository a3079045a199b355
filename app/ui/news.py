"""What is new in the log from one view to the next, and what of it nobody has seen yet. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.messages import Message
from app.sync.collection import Shown
from app.ui.stretch import Change
from app.ui.words import plural

Items = Sequence[Shown[Message]]


@dataclass(frozen=True)
class News:
    """Messages of others that arrived, and one's own that were sent or were refused."""

    arrived: tuple[Shown[Message], ...] = ()
    sent: tuple[Shown[Message], ...] = ()
    failed: tuple[Shown[Message], ...] = ()


def news(before: Items, after: Items, change: Change) -> News:
    """Return what is new in `after`; older messages that were loaded are not."""
    old = {shown.id: shown for shown in before[change.start : change.before - change.end]}
    new = after[change.start : change.after - change.end]
    newest = next((shown.order for shown in reversed(before) if shown.server_version), (0, 0))
    arrived, sent, failed = [], [], []
    for shown in new:
        known = old.get(shown.id)
        was_waiting = known is not None and known.status == "pending"
        if known is None and shown.status == "synced" and shown.order > newest:
            arrived.append(shown)
        elif was_waiting and shown.status == "synced":
            sent.append(shown)
        elif was_waiting and shown.status in ("failed", "conflict"):
            failed.append(shown)
    return News(tuple(arrived), tuple(sent), tuple(failed))


def news_text(found: News) -> str:
    """Return what to tell those who cannot see it; nothing where there is nothing to tell."""
    if found.failed:
        problem = found.failed[-1].error
        return f"Not sent. {problem.message if problem else ''}".rstrip()
    if len(found.arrived) > 1:
        return f"{len(found.arrived):,} new messages"
    if found.arrived:
        message = found.arrived[0].value
        return f"{message.sender or 'New message'}: {message.text}"
    return "Sent" if found.sent else ""


def unread_text(count: int) -> str:
    """Return the words of the button that leads to the newest messages."""
    if not count:
        return "Newest messages"
    return f"{count:,} new {plural(count, 'message', 'messages')}"


class Unread:
    """Counts what arrived while nobody looked at the end of the log.

    `first` names the first of them, before which the log says where the new ones begin. It stays
    when they have been seen, until others arrive unseen or `forget` is called.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first: str | None = None
        self._seen = True

    def attend(self, seen: bool) -> None:
        """Say whether a person sees the end of the log."""
        self._seen = seen
        if seen:
            self.count = 0

    def arrive(self, arrived: Items) -> None:
        """Take in what arrived."""
        if self._seen or not arrived:
            return
        if not self.count:
            self.first = arrived[0].id
        self.count += len(arrived)

    def forget(self) -> None:
        """Take back where the new ones begin, once they were answered."""
        if not self.count:
            self.first = None
