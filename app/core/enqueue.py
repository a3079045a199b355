"""Enqueueing: actions get their places in the outbox in one transaction, or leave no trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.core.actions import Data, Registry, fields_of
from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.decision import Decision
from app.core.entry import Entry, by_earlier_id, by_id, by_item, read_entries
from app.core.invalid import read_row
from app.core.metadata import CLIENT_ID, NEWEST, SEQ, Stored, counter, id_of, put
from app.core.order import Place
from app.core.resolutions import carried_out_by
from app.core.schema import OUTBOX, ROWS
from app.core.view import Item, project
from app.errors import InvalidInput
from app.ports import Batch, Delete, Get, Put, Query
from app.protocol import MAX_ACTION_BYTES, Action, Row

ItemKey = tuple[str, str]


@dataclass(frozen=True)
class Seen:
    """An item as a person saw it when they began to change it: the server's version, and data."""

    version: int
    data: Data


@dataclass(frozen=True)
class Draft:
    """An action before it has its place in the outbox; `created_at` in milliseconds.

    `depends_on` holds ids of actions; one that is not in the outbox any more needs nothing. One
    that is `undoable` can be taken back while it was not sent (app/core/undo.py). What was `seen`
    is what the action changes: where the item has moved on since, the server says conflict.
    """

    id: str
    type: str
    collection: str
    item_id: str
    data: Data | None
    created_at: int
    depends_on: tuple[str, ...] = ()
    undoable: bool = False
    seen: Seen | None = None

    @property
    def item(self) -> ItemKey:
        """The collection and id of the item that it is about."""
        return self.collection, self.item_id

    def missed(self, row: Row | None) -> Seen | None:
        """Return what was seen, if the server's row is another one by now."""
        return self.seen if self.seen and row and row.version != self.seen.version else None


@dataclass(frozen=True)
class Enqueued:
    """The ids under which the drafts wait, in their order, and what is shown from now on.

    A draft that was coalesced with an earlier action waits under that one's id; where the two
    cancelled each other out, that id is among the `cancelled`.
    """

    ids: tuple[str, ...]
    items: tuple[Item, ...]
    cancelled: frozenset[str] = frozenset()


def enqueue(drafts: Sequence[Draft], registry: Registry) -> Decision:
    """Add actions at the end of the outbox, all or none; returns an `Enqueued`.

    Where the registry says so, an action joins the one before it of its item, if that was never
    sent and no action depends on either. Raises `InvalidInput` or `Rejected` for an action that the
    server would be sure to refuse.
    """
    items = list(dict.fromkeys(draft.item for draft in drafts))
    named = list(dict.fromkeys(name for draft in drafts for name in draft.depends_on))
    queries: list[Query] = [SEQ, NEWEST, CLIENT_ID, UNSETTLED]
    for name in named:
        queries += [by_id(name), by_earlier_id(name)]
    for collection, item_id in items:
        queries += [Get(ROWS, [collection, item_id]), by_item(collection, item_id)]

    def decide(
        seq: Stored,
        newest: list[dict[str, Any]],
        client: Stored,
        inbox: list[dict[str, Any]],
        *found: Any,
    ) -> Batch:
        tail = _Tail(registry, counter(seq, newest), id_of(client) or "", frozenset(named))
        tail.sent = perhaps_sent(inbox)
        known, found = found[: 2 * len(named)], found[2 * len(named) :]
        for item, row, waiting in zip(items, found[::2], found[1::2], strict=True):
            tail.rows[item] = read_row(row)
            tail.waiting[item] = read_entries(waiting)
        for name, now, before in zip(named, known[::2], known[1::2], strict=True):
            tail.depend_on(name, read_entries([*now, *before]))
        ids = tuple(tail.add(draft) for draft in drafts)
        shown = tuple(
            project(*item, tail.rows[item], tail.waiting[item], registry) for item in items
        )
        writes = [*tail.writes.values(), put(SEQ, tail.seq)]
        return Batch(writes, Enqueued(ids, shown, frozenset(tail.cancelled)))

    return Decision(queries, decide)


@dataclass
class _Tail:
    """The end of the outbox while actions are added to it; `writes` by `seq`.

    `seq` is the last one given, `client_id` the client under which they go (app/core/identity.py).
    `named` are the ids that the new actions depend on, `places` what is in the outbox of them;
    `sent` those that the service worker may have sent.
    """

    registry: Registry
    seq: int
    client_id: str
    named: frozenset[str] = frozenset()
    sent: frozenset[str] = frozenset()
    places: dict[str, int] = field(default_factory=dict)
    rows: dict[ItemKey, Row | None] = field(default_factory=dict)
    waiting: dict[ItemKey, list[Entry]] = field(default_factory=dict)
    writes: dict[int, Put | Delete] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def depend_on(self, name: str, found: Sequence[Entry]) -> None:
        """Note that the entry found under an id, if there is one, is depended on from now on.

        Nothing is noted on a damaged one: who makes it failed must hold what is behind it, too.
        """
        for entry in found:
            self.places[name] = carried_out_by(entry)
            if entry.damaged is not None or self.places[name] != entry.seq:
                continue
            noted = entry.model_copy(update={"depended_on": True})
            self.writes[entry.seq] = noted.put()
            line = self.waiting.get(entry.item, [])
            line[:] = [noted if other.seq == noted.seq else other for other in line]

    def add(self, draft: Draft) -> str:
        """Add one action and return the id under which it waits."""
        row, waiting = self.rows[draft.item], self.waiting[draft.item]
        needs = {self.places[name] for name in draft.depends_on if name in self.places}
        action = _action(draft, self.seq + 1, row, self.registry, tuple(sorted(needs)))
        shown = project(*draft.item, row, waiting, self.registry).data
        if self.registry.knows(draft.type):
            self.registry.apply(shown, action)
        missed = draft.missed(row)
        joined = None if missed else self._join(waiting, action, draft.undoable)
        if joined is not None:
            return joined
        self.seq += 1
        entry = Entry(
            seq=self.seq,
            id=draft.id,
            type=draft.type,
            collection=draft.collection,
            item_id=draft.item_id,
            base=row.data if row else None,
            before=missed.data if missed else shown if waiting else None,
            replaced=() if draft.undoable else None,
            depends_on=action.depends_on,
            depended_on=draft.id in self.named,
            client_id=self.client_id,
            action=action.model_dump_json(),
        )
        entry = Place(waiting).take(entry)
        self.places[entry.id] = entry.seq
        self.writes[entry.seq] = entry.put()
        waiting.append(entry)
        return entry.id

    def _join(self, waiting: list[Entry], action: Action, undoable: bool) -> str | None:
        """Make one action of the last one and this one, if that may be; returns its id.

        What can be taken back stays as it is, so that this takes back no more than it.
        """
        last = waiting[-1] if waiting else None
        if last is None or last.state != "pending" or last.sent or last.depended_on:
            return None
        if action.depends_on or action.id in self.named or last.replaced is not None:
            return None
        if last.client_id != self.client_id or last.id in self.sent:
            return None
        earlier = last.readable()
        coalescer = self.registry.coalescer(earlier, action) if earlier else None
        if earlier is None or coalescer is None or earlier.version != action.version:
            return None
        if earlier.earlier_ids:  # the server has to hear that it must not run under those
            return None
        merged = coalescer(earlier, action)
        if merged is None:
            waiting.pop()
            self.cancelled.add(last.id)
            self.writes[last.seq] = Delete(OUTBOX, last.seq)
            return last.id
        text = merged.model_dump_json()
        if len(text.encode()) > MAX_ACTION_BYTES:
            return None
        kept = (last.model_dump(mode="json"),) if undoable else None
        changes = {"type": merged.type, "action": text, "replaced": kept}
        waiting[-1] = last.model_copy(update=changes)
        self.writes[last.seq] = waiting[-1].put()
        return last.id


def _action(
    draft: Draft, seq: int, row: Row | None, registry: Registry, depends_on: tuple[int, ...]
) -> Action:
    missed = draft.missed(row)
    return checked_action(
        {
            "id": draft.id,
            "seq": seq,
            "type": draft.type,
            "version": registry.version(draft.type),
            "collection": draft.collection,
            "item_id": draft.item_id,
            "data": draft.data,
            "base_version": missed.version if missed else row.version if row else None,
            "created_at": draft.created_at,
            "depends_on": depends_on,
        }
    )


def checked_action(fields: dict[str, Any]) -> Action:
    """Return the action with these fields; raises `InvalidInput` if no server would take it."""
    try:
        action = Action.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput("This change cannot be saved as it is.", fields_of(error)) from None
    if len(action.model_dump_json().encode()) > MAX_ACTION_BYTES:
        raise InvalidInput(f"This change is larger than {MAX_ACTION_BYTES // 1024} KiB.")
    return action
