"""What the service worker sent while no page led, and the answers that it got: its inbox.

The worker puts a record there before it sends anything, and the answer into the same record when
one came; it changes nothing else. Until a leader has settled a record (app/core/inbox.py) its
actions count as sent: whatever bears on an action that may have been sent reads the inbox, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from app.core.entry import Entry, read_entries
from app.core.schema import INBOX, OUTBOX
from app.ports import Get, Query, Scan, Value
from app.protocol import Count, Id, Seq, SyncResponse, Wire

UNSETTLED = Scan(INBOX)
NEXT = Scan(INBOX, limit=1)


class SentAction(Wire):
    """An action that the worker sent: its place in the outbox, and the id it went by."""

    seq: Seq
    id: Id


class Attempt(Wire):
    """One request of the worker, as `client`. `asked` is the cursor it pulled from, `at` when (ms).

    `answer` is the text of the server's answer, `None` where none came, or the worker died first.
    `again` says that this was so once before: what it sent then may have taken effect.
    """

    id: Count
    at: Count
    client: str = ""
    asked: str | None = None
    again: bool = False
    actions: tuple[SentAction, ...] = ()
    answer: str | None = None

    def response(self) -> SyncResponse | None:
        """Return the answer, or `None` where there is none that can be read."""
        try:
            return None if self.answer is None else SyncResponse.model_validate_json(self.answer)
        except ValidationError:
            return None

    def named(self) -> list[Query]:
        """Return the queries for the entries of its actions, one each."""
        return [Get(OUTBOX, action.seq) for action in self.actions]

    def still_there(self, found: Iterable[Value | None]) -> list[Entry]:
        """Return the entries that are still what was sent, of those that `named` found."""
        ids = {action.id for action in self.actions}
        entries = read_entries(value for value in found if value is not None)
        return [entry for entry in entries if entry.id in ids]


def read_attempt(value: Value) -> Attempt | None:
    """Return a record of the inbox, or `None` where it is damaged."""
    try:
        return Attempt.model_validate(value)
    except ValidationError:
        return None


def perhaps_sent(records: Iterable[Value]) -> frozenset[str]:
    """Return the ids of the actions in these records of the inbox: the server may know them."""
    attempts = [attempt for value in records if (attempt := read_attempt(value))]
    return frozenset(action.id for attempt in attempts for action in attempt.actions)
