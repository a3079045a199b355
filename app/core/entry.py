"""The outbox entry: one action that waits for the server's verdict, as it is kept on the device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from app.core.schema import BY_DUE, BY_EARLIER_ID, BY_ID, BY_ITEM, OUTBOX
from app.ports import Count as CountQuery
from app.ports import Put, Scan
from app.protocol import (
    MAX_EARLIER_IDS,
    MAX_SAFE_INTEGER,
    Action,
    Count,
    Problem,
    Seq,
    Verdict,
    Wire,
)

EntryState = Literal["pending", "in_flight", "blocked", "conflict", "failed"]

Outcome = Literal["applied", "conflict", "failed", "discarded"]
"""How an action ended. `applied`: the server, or a handler, carried it out. `conflict`, `failed`:
it is kept and waits for a person. `discarded`: it was taken out of the outbox."""

LONGEST_WAIT = 3_600_000
"""Milliseconds that an action is put off at most: past it, the device's clock was set back."""

UNSENT: tuple[EntryState, ...] = ("pending", "in_flight", "blocked")
HOLDING: tuple[EntryState, ...] = ("conflict", "failed")

DAMAGED = Problem(
    code="damaged",
    message="This change was damaged on this device and cannot be sent. It is kept as it is.",
)


class Entry(Wire):
    """One action in the outbox.

    `action` is its ready-to-send JSON. `next_attempt_at` is in milliseconds since the epoch, 0 for
    at once; in flight, it is when the claim expires, and `local` says that the claim is for a
    handler. `sent` says that it was ever claimed, so that the server may know it; `in_doubt`, that
    an attempt ended without saying whether it took effect. `error` is why the last one failed.
    `client_id` names the client under which it goes: its receipt is kept for that one only.
    `verdict` is the server's, where it gave one. `base` is the item's data as it was confirmed when
    the action was made, `theirs` the server's in a conflict. `damaged` holds what was stored, where
    that was no entry.

    `depends_on` holds, by `seq`, the entries of the outbox that the action depends on, `waits_for`
    all that it stands behind (app/core/order.py). `depended_on` says that another action depends on
    it. `earlier_ids` are those under which it went before it was sent anew, and those of the
    actions that it took in.

    `before` is what the item was shown as when the action was made, where that is not `base`.
    `replaced` holds what comes back when the action is taken back; it is `None` where that cannot
    be. `automatic` counts how often a conflict policy has sent it anew.
    """

    seq: Seq
    id: str
    type: str
    collection: str
    item_id: str
    state: EntryState = "pending"
    local: bool = False
    sent: bool = False
    # What an older version of the app sent may be in doubt.
    in_doubt: bool = Field(default_factory=lambda known: known["sent"])
    client_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,64}$")] = ""
    attempts: int = 0
    next_attempt_at: Count = 0
    error: Problem | None = None
    verdict: Verdict | None = None
    base: dict[str, Any] | None = None
    theirs: dict[str, Any] | None = None
    depends_on: tuple[int, ...] = ()
    waits_for: tuple[int, ...] = ()
    depended_on: bool = False
    earlier_ids: tuple[str, ...] = ()
    before: dict[str, Any] | None = None
    replaced: tuple[dict[str, Any], ...] | None = None
    automatic: int = 0
    action: str
    damaged: dict[str, Any] | None = None

    def parsed(self) -> Action:
        """Return the action that the entry holds."""
        return Action.model_validate_json(self.action)

    def readable(self) -> Action | None:
        """Return the action that the entry holds, or `None` where it is damaged."""
        try:
            return None if self.damaged is not None else self.parsed()
        except ValidationError:
            return None

    @property
    def item(self) -> tuple[str, str]:
        """The collection and id of the item that it is about."""
        return self.collection, self.item_id

    @property
    def unanswered_ids(self) -> tuple[str, ...]:
        """The ids under which it was sent and got no verdict: a copy may still be on its way."""
        action = self.readable()
        earlier = action.earlier_ids if action else ()
        return (*earlier, self.id) if self.sent and self.verdict is None else earlier

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

    def claimed_until(self, expiry: int, *, client_id: str = "", local: bool = False) -> Entry:
        """Return this entry in flight: from now on it cannot be taken back."""
        claimed = {"state": "in_flight", "next_attempt_at": expiry, "sent": True, "local": local}
        under = {"client_id": client_id or self.client_id, "replaced": None}
        return self.model_copy(update=claimed | under)

    def released(self, *, in_doubt: bool) -> Entry:
        """Return this entry, in flight until now, as pending again."""
        doubt = self.in_doubt or in_doubt
        return self.model_copy(update={"state": "pending", "next_attempt_at": 0, "in_doubt": doubt})

    def under(self, client_id: str) -> Entry:
        """Return this entry as another client's, of which no server knows anything."""
        unknown = {"verdict": None, "sent": False, "in_doubt": False}
        return self.model_copy(update={"client_id": client_id, **unknown})

    def renamed(self, new_id: str) -> Entry:
        """Return this entry under another id, under which no server knows it."""
        known = {"id": new_id, "earlier_ids": (*self.earlier_ids, self.id)}
        unknown = {"verdict": None, "sent": False, "in_doubt": False}
        named = self.rewritten(id=new_id, earlier_ids=self.unanswered_ids[-MAX_EARLIER_IDS:])
        return named.model_copy(update=known | unknown)

    def rewritten(self, **changes: Any) -> Entry:
        """Return this entry with `changes` made to its action, unless that is damaged."""
        action = self.readable()
        if action is None:
            return self
        text = action.model_copy(update=changes).model_dump_json()
        return self.model_copy(update={"action": text})

    def based_on(self, version: int, data: dict[str, Any] | None) -> Entry:
        """Return this entry, made to change an item of this version and data."""
        entry = self.rewritten(base_version=version)
        return entry.model_copy(update={"base": data, "before": None})

    def put(self, **changes: Any) -> Put:
        """Return the write that stores this entry with `changes`."""
        return Put(OUTBOX, self.model_copy(update=changes).model_dump(mode="json"))


def read_entries(values: Iterable[dict[str, Any]]) -> list[Entry]:
    """Return stored values as entries, ordered by `seq`."""
    return sorted(map(read_entry, values), key=lambda entry: entry.seq)


def read_entry(value: dict[str, Any]) -> Entry:
    """Return a stored value as an entry; one that is damaged as `failed`, with what was stored."""
    try:
        return Entry.model_validate(value)
    except ValidationError:
        known = {name: value.get(name) for name in ("id", "type", "collection", "item_id")}
        names = {name: it if isinstance(it, str) else "damaged" for name, it in known.items()}
        if names["id"] == "damaged":
            names["id"] = f"damaged-{value['seq']}"
        text = value.get("action")
        return Entry(
            seq=value["seq"],
            **names,
            state="failed",
            error=DAMAGED,
            action=text if isinstance(text, str) else json.dumps(value),
            damaged=value,
        )


def by_item(collection: str, item_id: str) -> Scan:
    """Return the query for an item's entries."""
    key = [collection, item_id]
    return Scan(OUTBOX, BY_ITEM, lower=key, upper=key)


def behind(seq: int, limit: int) -> Scan:
    """Return the query for a page of the outbox: up to `limit` entries behind place `seq`."""
    return Scan(OUTBOX, lower=seq + 1, limit=limit)


def by_id(action_id: str) -> Scan:
    """Return the query for the entry of an action, as a list of at most one."""
    return Scan(OUTBOX, BY_ID, lower=action_id, upper=action_id)


def by_earlier_id(action_id: str) -> Scan:
    """Return the query for the entry of an action that has another id since it was sent anew."""
    return Scan(OUTBOX, BY_EARLIER_ID, lower=action_id, upper=action_id)


def due(state: EntryState, now: int = MAX_SAFE_INTEGER, limit: int | None = None) -> Scan:
    """Return the query for entries of a state that may be tried at `now`, soonest first."""
    return Scan(OUTBOX, BY_DUE, lower=[state, 0], upper=[state, now], limit=limit)


def beyond(state: EntryState, time: int, limit: int | None = None) -> Scan:
    """Return the query for entries of a state that are not due, or do not expire, before `time`."""
    lower, upper = [state, min(time + 1, MAX_SAFE_INTEGER)], [state, MAX_SAFE_INTEGER]
    return Scan(OUTBOX, BY_DUE, lower=lower, upper=upper, limit=limit)


def count_of(state: EntryState) -> CountQuery:
    """Return the query for the number of entries of a state."""
    return CountQuery(OUTBOX, BY_DUE, lower=[state, 0], upper=[state, MAX_SAFE_INTEGER])


def counts() -> list[CountQuery]:
    """Return the queries for the numbers of unsent (three of them), conflict, failed entries."""
    return [count_of(state) for state in (*UNSENT, *HOLDING)]


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
