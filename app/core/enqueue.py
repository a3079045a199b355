"""Enqueueing: actions get their places in the outbox in one transaction, or leave no trace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.core.actions import Data, Registry, fields_of
from app.core.decision import Decision
from app.core.entry import HOLDING, Entry, by_id, by_item, read_entries
from app.core.outbox import SEQ, value_of
from app.core.schema import METADATA, OUTBOX, ROWS
from app.core.view import Item, project, row_of
from app.errors import InvalidInput
from app.ports import Batch, Delete, Get, Put, Query
from app.protocol import MAX_ACTION_BYTES, Action, Row

ItemKey = tuple[str, str]


@dataclass(frozen=True)
class Draft:
    """An action before it has its place in the outbox; `created_at` in milliseconds.

    `depends_on` holds the ids of actions that must have been applied first.
    """

    id: str
    type: str
    collection: str
    item_id: str
    data: Data | None
    created_at: int
    depends_on: tuple[str, ...] = ()

    @property
    def item(self) -> ItemKey:
        """The collection and id of the item that it is about."""
        return self.collection, self.item_id


@dataclass(frozen=True)
class Enqueued:
    """The ids under which the drafts wait, in their order, and what is shown from now on.

    A draft that was coalesced with an earlier action waits under that one's id; the id of one that
    cancelled it out is that of an action which is not there any more.
    """

    ids: tuple[str, ...]
    items: tuple[Item, ...]


def enqueue(drafts: Sequence[Draft], registry: Registry) -> Decision:
    """Add actions at the end of the outbox, all or none; returns an `Enqueued`.

    Where the registry says so, an action joins the one before it of its item, if that was never
    sent. Raises `InvalidInput` or `Rejected` for an action that the server would be sure to refuse.
    """
    items = list(dict.fromkeys(draft.item for draft in drafts))
    own = {draft.id for draft in drafts}
    needed = list(dict.fromkeys(i for draft in drafts for i in draft.depends_on if i not in own))
    queries: list[Query] = [SEQ, *map(by_id, needed)]
    for collection, item_id in items:
        queries += [Get(ROWS, [collection, item_id]), by_item(collection, item_id)]

    def decide(seq: dict[str, Any] | None, *found: Any) -> Batch:
        tail = _Tail(registry, value_of(seq, 0))
        known, stored = found[: len(needed)], found[len(needed) :]
        tail.know(entry for values in known for entry in read_entries(values))
        for item, row, waiting in zip(items, stored[::2], stored[1::2], strict=True):
            tail.rows[item] = row_of(row)
            tail.waiting[item] = read_entries(waiting)
            tail.know(tail.waiting[item])
        ids = tuple(tail.add(draft) for draft in drafts)
        shown = tuple(
            project(*item, tail.rows[item], tail.waiting[item], registry) for item in items
        )
        last = Put(METADATA, {"key": "seq", "value": tail.seq})
        return Batch([*tail.writes.values(), last], Enqueued(ids, shown))

    return Decision(queries, decide)


@dataclass
class _Tail:
    """The end of the outbox while actions are added to it; `writes` by `seq`."""

    registry: Registry
    seq: int
    rows: dict[ItemKey, Row | None] = field(default_factory=dict)
    waiting: dict[ItemKey, list[Entry]] = field(default_factory=dict)
    by_id: dict[str, Entry] = field(default_factory=dict)
    writes: dict[int, Put | Delete] = field(default_factory=dict)

    def know(self, entries: Iterable[Entry]) -> None:
        self.by_id |= {entry.id: entry for entry in entries}

    def add(self, draft: Draft) -> str:
        """Add one action and return the id under which it waits."""
        row, waiting = self.rows[draft.item], self.waiting[draft.item]
        action = _action(draft, self.seq + 1, row, self._seqs_of(draft), self.registry)
        if self.registry.knows(draft.type):
            shown = project(*draft.item, row, waiting, self.registry)
            self.registry.apply(shown.data, action)
        joined = self._join(waiting, action)
        if joined is not None:
            return joined
        self.seq += 1
        held = self._ahead(action, waiting)
        entry = Entry(
            seq=self.seq,
            id=draft.id,
            type=draft.type,
            collection=draft.collection,
            item_id=draft.item_id,
            state="blocked" if any(e.state in (*HOLDING, "blocked") for e in held) else "pending",
            next_attempt_at=max((e.waits_until for e in held), default=0),
            base=row.data if row else None,
            depends_on=action.depends_on,
            action=action.model_dump_json(),
        )
        self._write(entry)
        waiting.append(entry)
        return entry.id

    def _join(self, waiting: list[Entry], action: Action) -> str | None:
        """Make one action of the last one and this one, if that may be; returns its id."""
        last = waiting[-1] if waiting else None
        if last is None or last.state != "pending" or last.sent or action.depends_on:
            return None
        earlier = last.parsed()
        coalescer = self.registry.coalescer(earlier, action)
        if coalescer is None or earlier.version != action.version:
            return None
        merged = coalescer(earlier, action)
        if merged is None:
            waiting.pop()
            self.writes[last.seq] = Delete(OUTBOX, last.seq)
            return last.id
        text = merged.model_dump_json()
        if len(text.encode()) > MAX_ACTION_BYTES:
            return None
        waiting[-1] = last.model_copy(update={"type": merged.type, "action": text})
        self._write(waiting[-1])
        return last.id

    def _seqs_of(self, draft: Draft) -> tuple[int, ...]:
        """Return what is still waiting of what the draft depends on; the rest is done."""
        waiting = [self.by_id[i].seq for i in draft.depends_on if i in self.by_id]
        return tuple(sorted(set(waiting)))

    def _ahead(self, action: Action, waiting: Sequence[Entry]) -> list[Entry]:
        needed = [entry for entry in self.by_id.values() if entry.seq in action.depends_on]
        return [*waiting, *needed]

    def _write(self, entry: Entry) -> None:
        self.writes[entry.seq] = entry.put()
        self.by_id[entry.id] = entry


def _action(
    draft: Draft, seq: int, row: Row | None, depends_on: tuple[int, ...], registry: Registry
) -> Action:
    try:
        action = Action(
            id=draft.id,
            seq=seq,
            type=draft.type,
            version=registry.get(draft.type).version if registry.knows(draft.type) else 1,
            collection=draft.collection,
            item_id=draft.item_id,
            data=draft.data,
            base_version=row.version if row else None,
            depends_on=depends_on,
            created_at=draft.created_at,
        )
    except ValidationError as error:
        raise InvalidInput("This change cannot be saved as it is.", fields_of(error)) from None
    if len(action.model_dump_json().encode()) > MAX_ACTION_BYTES:
        raise InvalidInput(f"This change is larger than {MAX_ACTION_BYTES // 1024} KiB.")
    return action
