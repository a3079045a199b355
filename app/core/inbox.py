"""The inbox: what the service worker sent while no page led, and the answers that it got.

The worker puts a record there before it sends anything, and the answer into the same record when
one came; it changes nothing else. The next leader settles the records in their order, each in one
transaction that also deletes it. Until then their actions count as sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from app.core.decision import Decision
from app.core.entry import Entry, read_entries
from app.core.invalid import Check, fits_always
from app.core.schema import INBOX, METADATA, OUTBOX
from app.core.settle import Settled, settle
from app.ports import Batch, Delete, Get, Put, Query, Scan, Value
from app.protocol import Count, Id, Seq, SyncResponse, Wire

UNSETTLED = Scan(INBOX)
NEXT = Scan(INBOX, limit=1)


class SentAction(Wire):
    """An action that the worker sent: its place in the outbox, and the id it went by."""

    seq: Seq
    id: Id


class Attempt(Wire):
    """One request of the worker. `asked` is the cursor that it pulled from, `at` when, in ms.

    `answer` is the text of the server's answer, `None` where none came, or the worker died first.
    """

    id: Count
    at: Count
    asked: str | None = None
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


def settle_attempt(
    attempt: Attempt,
    response: SyncResponse,
    entries: Sequence[Entry],
    now: int,
    check: Check = fits_always,
) -> Decision:
    """Settle a record like an answer to a request of our own; returns a `Settled`.

    `entries` are those of its actions that were there a moment ago. They count as in flight, though
    the worker left them as they were.
    """
    inner = settle(entries, response, attempt.asked, now, check=check)
    ids = {action.id for action in attempt.actions}

    def decide(record: Value | None, *found: Any) -> Batch:
        if record is None:
            return Batch(result=Settled())
        seen = [[_flying(it, ids) for it in one] if isinstance(one, list) else one for one in found]
        batch = inner.decide(*seen)
        return Batch([*batch.writes, Delete(INBOX, attempt.id)], batch.result)

    return Decision([Get(INBOX, attempt.id), *inner.queries], decide)


def doubt_attempt(attempt: Attempt) -> Decision:
    """Take out a record without an answer: its actions go again, under the same ids."""

    def decide(*found: Value | None) -> Batch:
        waiting = [
            entry
            for entry in attempt.still_there(found)
            if entry.state in ("pending", "in_flight") and entry.damaged is None
        ]
        puts = [entry.put(sent=True, in_doubt=True) for entry in waiting]
        return Batch([*puts, Delete(INBOX, attempt.id)])

    return Decision(attempt.named(), decide)


def drop_record(record_id: Any) -> Decision:
    """Take out a record that cannot be read."""
    return Decision([], lambda: Batch([Delete(INBOX, record_id)]))


def brief(api_url: str | None, local_types: Iterable[str]) -> Decision:
    """Tell the worker where the API is and which action types are never sent.

    Without an address it sends nothing: what is talked to is no server of ours.
    """
    value = {"api": api_url, "local_types": sorted(local_types)}
    known = Put(METADATA, {"key": "courier", "value": value})
    unknown = Delete(METADATA, "courier")
    return Decision([], lambda: Batch([unknown if api_url is None else known]))


def _flying(value: Value, ids: set[str]) -> Value:
    """Return a stored entry as in flight if it waits and its action is among those sent."""
    if value.get("id") not in ids or value.get("state") != "pending":
        return value
    return {**value, "state": "in_flight", "sent": True}
