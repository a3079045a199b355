"""Defects put into the product on purpose: a simulation that does not see them sees nothing.

Each is a function that patches the running product; `mutated` undoes it. Those here are found by
crashes and by a bad network; what the other faults find is in `fault_mutants.py`, and what a bad
storage finds in `storage_mutants.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from app.core import backoff, edit, enqueue, outbox
from app.core import claim as claims
from app.core import settle as core_settle
from app.core.decision import Decision
from app.core.entry import Entry
from app.core.order import Place, freed
from app.core.schema import METADATA, OUTBOX
from app.core.view import project
from app.ports import Batch, Delete, Put
from app.sync import engine, peers, reader
from tests.simulation.fault_mutants import FAULT_MUTANTS
from tests.simulation.patching import Patch, changed, puts
from tests.simulation.server_mutants import SERVER_MUTANTS
from tests.simulation.storage_mutants import STORAGE_MUTANTS


def dequeue_on_send(patch: Patch) -> None:
    """What is sent leaves the outbox at once."""

    def change(batch: Batch) -> Batch:
        gone = [Delete(OUTBOX, write.value["seq"]) for write in puts(batch, OUTBOX)]
        return replace(batch, writes=gone)

    patch.setattr(engine, "claim", changed(claims.claim, change))


def cursor_before_rows(patch: Patch) -> None:
    """The cursor and the rows that it stands for are written one after the other."""
    transact = engine.Engine._transact

    async def split(self: engine.Engine, decision: Decision) -> Any:
        if not decision.decide.__qualname__.startswith("settle"):
            return await transact(self, decision)
        kept: list[Batch] = []

        def first(*found: Any) -> Batch:
            kept.append(decision.decide(*found))
            return Batch([write for write in kept[0].writes if write.store == METADATA])

        await self._store.transact(decision.queries, first)
        rest = [write for write in kept[0].writes if write.store != METADATA]
        return await self._store.transact([], lambda: Batch(rest, kept[0].result))

    patch.setattr(engine.Engine, "_transact", split)


def lost_wake(patch: Patch) -> None:
    """A new action wakes nobody."""
    patch.setattr(peers.Peers, "wake", lambda _self, *, urgent=False: None)


def resend_under_a_new_id(patch: Patch) -> None:
    """What was in flight is sent as something new."""

    def change(batch: Batch) -> Batch:
        writes = []
        for write in puts(batch, OUTBOX):
            entry = Entry.model_validate(write.value)
            fresh = f"again-{entry.id}"[:64]
            writes.append(entry.rewritten(id=fresh).model_copy(update={"id": fresh}).put())
        return replace(batch, writes=writes)

    patch.setattr(engine, "requeue", changed(claims.requeue, change))


def requeue_forgets(patch: Patch) -> None:
    """What was in flight stays so."""
    patch.setattr(engine, "requeue", changed(claims.requeue, lambda batch: Batch((), batch.result)))


def hold_ignores_followers(patch: Patch) -> None:
    """A failed action does not hold the later ones of its item."""
    patch.setattr(core_settle, "restated", lambda entries: list(entries))


def dependents_are_sent_anyway(patch: Patch) -> None:
    """An action does not wait for what it depends on."""

    class Careless(Place):
        def take(self, entry: Entry) -> Entry:
            return super().take(entry.model_copy(update={"depends_on": ()}))

    patch.setattr(enqueue, "Place", Careless)


def dependents_outlive_a_discard(patch: Patch) -> None:
    """What depends on a discarded action is sent as if that had been applied."""

    def forgetful(entries: Sequence[Entry], discarded: int) -> list[Entry]:
        return [freed(entry, (discarded,)) for entry in entries]

    patch.setattr(outbox, "orphaned", forgetful)


def edits_what_may_have_taken_effect(patch: Patch) -> None:
    """Whatever is not in flight can be edited, under a new id."""
    patch.setattr(edit, "_check_editable", lambda *_: None)


def coalesce_after_sent(patch: Patch) -> None:
    """An action that the server may know already takes in a later one."""

    def change(batch: Batch) -> Batch:
        writes = [Put(OUTBOX, {**write.value, "sent": False}) for write in puts(batch, OUTBOX)]
        return replace(batch, writes=writes)

    patch.setattr(engine, "claim", changed(claims.claim, change))


def verdict_ignored(patch: Patch) -> None:
    """What the server refused is sent for ever."""
    patch.setattr(
        core_settle, "_judged", lambda entry, *_: entry.model_copy(update={"state": "pending"})
    )


def refused_is_dropped(patch: Patch) -> None:
    """What the server refused is gone."""

    def change(batch: Batch) -> Batch:
        writes = [
            Delete(OUTBOX, write.value["seq"])
            if write.store == OUTBOX and isinstance(write, Put) and write.value["state"] == "failed"
            else write
            for write in batch.writes
        ]
        return replace(batch, writes=writes)

    patch.setattr(engine, "settle", changed(core_settle.settle, change))


def settles_too_much(patch: Patch) -> None:
    """What was put off counts as settled when later actions are sent."""

    def change(batch: Batch) -> Batch:
        claimed = batch.result
        if claimed.entries:
            settled = claimed.entries[0].seq - 1
            batch = replace(batch, result=replace(claimed, settled_through=settled))
        return batch

    patch.setattr(engine, "claim", changed(claims.claim, change))


def view_without_pending(patch: Patch) -> None:
    """A row that was pulled hides what still waits for it."""
    patch.setattr(
        reader,
        "project",
        lambda name, item, row, entries, known: project(
            name, item, row, [] if row else entries, known
        ),
    )


def no_backoff(patch: Patch) -> None:
    """A failed request is made again at once."""
    patch.setattr(backoff.Backoff, "delay", lambda *_: 0.0)
    patch.setattr(backoff.Probe, "delay", lambda *_: 0.0)


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    *SERVER_MUTANTS,
    *FAULT_MUTANTS,
    *STORAGE_MUTANTS,
    dequeue_on_send,
    cursor_before_rows,
    lost_wake,
    resend_under_a_new_id,
    requeue_forgets,
    hold_ignores_followers,
    dependents_are_sent_anyway,
    dependents_outlive_a_discard,
    edits_what_may_have_taken_effect,
    coalesce_after_sent,
    verdict_ignored,
    refused_is_dropped,
    settles_too_much,
    view_without_pending,
    no_backoff,
)
