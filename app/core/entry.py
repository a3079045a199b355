"""The outbox entry: one action that waits for the server's verdict, as it is kept on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from app.core.schema import BY_DUE, BY_ID, BY_ITEM, OUTBOX
from app.ports import Count as CountQuery
from app.ports import Put, Scan
from app.protocol import MAX_SAFE_INTEGER, Action, Count, Problem, Verdict, Wire

EntryState = Literal["pending", "in_flight", "blocked", "conflict", "failed"]

Outcome = Literal["applied", "conflict", "failed", "discarded"]
"""How an action ended. `applied`: the server, or a handler, carried it out. `conflict`, `failed`:
it is kept and waits for a person. `discarded`: it was taken out of the outbox."""

LONGEST_WAIT = 3_600_000
"""Milliseconds that an action is put off at most: past it, the device's clock was set back."""

UNSENT: tuple[EntryState, ...] = ("pending", "in_flight", "blocked")
HOLDING: tuple[EntryState, ...] = ("conflict", "failed")


class Entry(Wire):
    """One action in the outbox.

    `action` is its ready-to-send JSON. `next_attempt_at` is in milliseconds since the epoch, 0 for
    at once; in flight, it is when the claim expires. `sent` says that it was ever claimed, so that
    the server may know it. `verdict` is the server's, where it gave one. `base` is the item's data
    as it was confirmed when the action was made, `theirs` the server's in a conflict.
    """

    seq: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    id: str
    type: str
    collection: str
    item_id: str
    state: EntryState = "pending"
    sent: bool = False
    attempts: int = 0
    next_attempt_at: Count = 0
    error: Problem | None = None
    verdict: Verdict | None = None
    base: dict[str, Any] | None = None
    theirs: dict[str, Any] | None = None
    action: str

    def parsed(self) -> Action:
        """Return the action that the entry holds."""
        return Action.model_validate_json(self.action)

    @property
    def waits_until(self) -> int:
        """When it is due, in milliseconds; a claim's expiry is no reason for others to wait."""
        return self.next_attempt_at if self.state == "pending" else 0

    @property
    def outcome(self) -> Outcome | None:
        """How the action ended, or `None` while it may still be sent."""
        if self.state == "conflict":
            return "conflict"
        return "failed" if self.state == "failed" else None

    def rewritten(self, **changes: Any) -> Entry:
        """Return this entry with `changes` made to its action."""
        action = self.parsed().model_copy(update=changes)
        return self.model_copy(update={"action": action.model_dump_json()})

    def put(self, **changes: Any) -> Put:
        """Return the write that stores this entry with `changes`."""
        return Put(OUTBOX, self.model_copy(update=changes).model_dump(mode="json"))


def read_entries(values: Iterable[dict[str, Any]]) -> list[Entry]:
    """Return stored values as entries, ordered by `seq`."""
    return sorted(map(Entry.model_validate, values), key=lambda entry: entry.seq)


def by_item(collection: str, item_id: str) -> Scan:
    """Return the query for an item's entries."""
    key = [collection, item_id]
    return Scan(OUTBOX, BY_ITEM, lower=key, upper=key)


def by_id(action_id: str) -> Scan:
    """Return the query for the entry of an action, as a list of at most one."""
    return Scan(OUTBOX, BY_ID, lower=action_id, upper=action_id)


def due(state: EntryState, now: int = MAX_SAFE_INTEGER, limit: int | None = None) -> Scan:
    """Return the query for entries of a state that may be tried at `now`, soonest first."""
    return Scan(OUTBOX, BY_DUE, lower=[state, 0], upper=[state, now], limit=limit)


def put_off_beyond(time: int, limit: int) -> Scan:
    """Return the query for up to `limit` pending entries that are not due before `time`."""
    lower, upper = ["pending", time + 1], ["pending", MAX_SAFE_INTEGER]
    return Scan(OUTBOX, BY_DUE, lower=lower, upper=upper, limit=limit)


def count_of(state: EntryState) -> CountQuery:
    """Return the query for the number of entries of a state."""
    return CountQuery(OUTBOX, BY_DUE, lower=[state, 0], upper=[state, MAX_SAFE_INTEGER])


def parted(
    entries: Sequence[Entry], is_local: Callable[[Entry], bool]
) -> tuple[list[Entry], list[Entry]]:
    """Return what to push and what is local, without anything behind a local entry of its item."""
    pushed: list[Entry] = []
    local: list[Entry] = []
    behind: set[tuple[str, str]] = set()
    for entry in entries:
        item = (entry.collection, entry.item_id)
        if is_local(entry):
            local.append(entry)
            behind.add(item)
        elif item not in behind:
            pushed.append(entry)
    return pushed, local
