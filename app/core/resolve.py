"""Resolving a conflict as a person says: an action in the place of those it is about, and a record.

Both are written in one transaction. The record (app/core/resolutions.py) depends on the action, so
that it tells of nothing that did not happen. Where the server's version is taken there is no action
to send: then the record itself takes the place, so that this can be taken back, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.core.actions import Data, Registry
from app.core.conflict import Conflict, Held, IsLocal, held, resolving
from app.core.decision import Decision
from app.core.enqueue import checked_action
from app.core.entry import Entry, Outcome, by_item, read_entries
from app.core.invalid import read_row
from app.core.merge import same
from app.core.metadata import CLIENT_ID, NEWEST, SEQ, Stored, counter, id_of, put
from app.core.order import orphaned, restated, rewrites, waiting_for
from app.core.outbox import Altered, among
from app.core.resolutions import COLLECTION, Choice, Resolution, record_id, records
from app.core.schema import OUTBOX, ROWS
from app.errors import InvalidInput, NotFound
from app.ports import Batch, Delete, Get, Put, Query

ALREADY = (
    "This conflict is not there any more: it was resolved, or its change discarded, elsewhere. "
    "Nothing was overwritten."
)


@dataclass(frozen=True)
class Chosen:
    """What a person chose: `data` is what they made of both, with the choice `merge`.

    `seen` is the conflict as they saw it. The action goes under `action_id`; `unique` is a version
    7 UUID, for the record. `name` is how they sign, `now` the time in milliseconds.
    """

    choice: Choice
    data: Data | None
    seen: Conflict | None
    action_id: str
    unique: str
    name: str
    now: int


def resolve(entry: Entry, chosen: Chosen, registry: Registry, is_local: IsLocal) -> Decision:
    """Resolve the conflict of an entry; returns an `Altered` about the action, or the record.

    Raises `NotFound` where that conflict is not there any more, `InvalidInput` or `Rejected` for
    data that the server would be sure to refuse, and where changes would be given up unseen.
    """

    def decide(
        row: dict[str, Any] | None,
        found: list[dict[str, Any]],
        waiting: list[dict[str, Any]],
        seq: Stored,
        newest: list[dict[str, Any]],
        client_id: Stored,
    ) -> Batch:
        current, entries = among(entry.id, found, ALREADY)
        if current.state != "conflict":
            raise NotFound(ALREADY)
        line = [other for other in entries if other.seq >= current.seq]
        it = held(line, read_row(row), registry, is_local)
        _check_seen(it.conflict, chosen)
        plan = _Plan(it, entries, read_entries(waiting), chosen, registry)
        plan.signed = id_of(client_id) or ""
        next_seq = counter(seq, newest) + 1
        return plan.take_theirs() if chosen.choice == "theirs" else plan.send(next_seq)

    queries: list[Query] = [Get(ROWS, list(entry.item)), by_item(*entry.item), waiting_for([entry])]
    return Decision([*queries, SEQ, NEWEST, CLIENT_ID], decide)


def _check_seen(conflict: Conflict, chosen: Chosen) -> None:
    """Raise `InvalidInput` where a person would give up changes of this device unseen."""
    seen = chosen.seen
    if seen is not None and chosen.choice != "mine" and not same(seen.mine, conflict.mine):
        raise InvalidInput(
            "This item was changed on this device meanwhile: look at both versions again. "
            "Nothing was overwritten."
        )


@dataclass
class _Plan:
    """One conflict, its item's `entries`, those that wait for it (`waiters`), and the choice."""

    it: Held
    entries: list[Entry]
    waiters: list[Entry]
    chosen: Chosen
    registry: Registry
    signed: str = ""

    def send(self, seq: int) -> Batch:
        """Return the writes after which the choice is sent, and then its record, as `seq`."""
        chosen, seen, head = self.chosen, self._seen, self.it.head
        data = self.it.conflict.mine if chosen.choice == "mine" else chosen.data
        made = resolving(self.it, data, seen, chosen.action_id, self.registry)
        made = made.rewritten(created_at=chosen.now)
        earlier = records(self.waiters, head.seq)
        replaced = _dumped([*self.it.taken, *earlier])
        made = made.model_copy(update={"depended_on": True, "replaced": replaced})
        line = restated([*self._ahead, made, *self.it.rest_on(seen)])
        return self._batch([*line, self._record(seq, (head.seq,))], made, earlier)

    def take_theirs(self) -> Batch:
        """Return the writes after which nothing of mine is sent, but the record in its place."""
        head = self.it.head
        earlier = records(self.waiters, head.seq)
        rest = {entry.seq: entry for entry in self.it.rest_on(self._seen)}
        gone = {entry.seq for entry in [*self.it.taken, *earlier]}
        others = [rest.get(it.seq, it) for it in self.waiters if it.seq not in gone]
        left = {entry.seq: entry for entry in orphaned(others, head.seq)}
        failing = [entry for entry in others if head.seq in entry.depends_on]
        replaced = _dumped([*self.it.taken, *earlier, *failing])
        record = self._record(head.seq, ()).model_copy(update={"replaced": replaced})
        line = [left.pop(entry.seq, entry) for entry in [*self._ahead, *rest.values()]]
        return self._batch([*restated(line), *left.values(), record], record, earlier)

    @property
    def _seen(self) -> Conflict:
        return self.chosen.seen or self.it.conflict

    @property
    def _ahead(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.seq < self.it.head.seq]

    def _record(self, seq: int, depends_on: tuple[int, ...]) -> Entry:
        """Return the entry that makes the record of the choice, once what it depends on is done."""
        chosen, conflict = self.chosen, self.it.conflict
        told = Resolution(
            collection=conflict.collection,
            item_id=conflict.id,
            choice=chosen.choice,
            name=chosen.name,
            client_id=self.signed,
            resolved_at=chosen.now,
        )
        names = {
            "id": chosen.unique,
            "type": "create",
            "collection": COLLECTION,
            "item_id": record_id(conflict.id, chosen.unique),
        }
        version = self.registry.version("create")
        more = {"version": version, "data": told.model_dump(), "created_at": chosen.now}
        action = checked_action({**names, **more, "seq": seq, "depends_on": depends_on})
        state = {"state": "blocked" if depends_on else "pending", "waits_for": depends_on}
        made = {"seq": seq, "depends_on": depends_on, "action": action.model_dump_json()}
        return Entry.model_validate({**names, **made, **state})

    def _batch(self, after: list[Entry], about: Entry, earlier: list[Entry]) -> Batch:
        before = {entry.seq: entry for entry in [*self.entries, *self.waiters]}
        kept = {entry.seq for entry in after}
        gone = [entry for entry in [*self.it.taken, *earlier] if entry.seq not in kept]
        writes: list[Put | Delete] = [Delete(OUTBOX, entry.seq) for entry in gone]
        writes += rewrites(before.values(), after)
        last = max(kept)
        if last not in before:
            writes.append(put(SEQ, last))
        ended: dict[str, Outcome] = {e.id: "failed" for e in after if e.state == "failed"}
        if about.collection == COLLECTION:
            ended |= {entry.id: "discarded" for entry in self.it.taken}
        items = frozenset(entry.item for entry in [*before.values(), *after])
        return Batch(writes, Altered(about, items, ended))


def _dumped(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    return tuple(entry.model_dump(mode="json") for entry in entries)
