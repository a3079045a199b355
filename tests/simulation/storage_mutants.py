"""Defects that show only on a storage that is older or damaged, and in what a person is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.core import claim as claims
from app.core import enqueue, identity
from app.core import settle as core_settle
from app.core.entry import Entry
from app.core.identity import Identity, Renewal, identify
from app.core.invalid import check_again
from app.core.metadata import number_of
from app.core.quarantine import quarantine
from app.core.reset import Reset
from app.core.schema import METADATA, OUTBOX
from app.errors import Refused
from app.ports import Batch, Delete
from app.sync import identity as own
from app.sync import invalid_rows, runner, transport
from app.sync.engine import Engine
from app.sync.outcomes import Outcomes
from tests.simulation.patching import Patch, changed


def stays_who_it_was(patch: Patch) -> None:
    """A device that was put back is refused for good."""
    patch.setattr(Identity, "renew", lambda _self, lines, *_: Renewal(list(lines)))


def takes_all_for_new(patch: Patch) -> None:
    """A device that was put back sends all that it has under another name."""

    def change(batch: Batch) -> Batch:
        return replace(batch, result=replace(batch.result, floor=-1))

    patch.setattr(own, "identify", changed(identify, change))


def forgets_who_sent_it(patch: Patch) -> None:
    """What one client sent is sent again as another's."""

    def careless(entries: list[Entry], now: str) -> tuple[str, list[Entry]]:
        return now, entries

    patch.setattr(claims, "_of_one_client", careless)


def trusts_its_counter(patch: Patch) -> None:
    """Places in the outbox are given by a record that may be lost, whatever waits there."""
    for module in (enqueue, identity):
        patch.setattr(module, "counter", lambda seq, _newest: number_of(seq) or 0)


def keeps_what_a_whole_pull_did_not_show(patch: Patch) -> None:
    """A pull from the beginning leaves what is not on the server any more."""
    after = Reset.after
    patch.setattr(Reset, "after", lambda self, response, **_: after(self, response))


def damaged_rows_are_given_up(patch: Patch) -> None:
    """A row that cannot be read goes, and is not asked for again."""

    def change(batch: Batch) -> Batch:
        cursor = Delete(METADATA, "cursor")
        return replace(batch, writes=[it for it in batch.writes if it != cursor])

    patch.setattr(invalid_rows, "check_again", changed(check_again, change))


def damaged_entries_are_dropped(patch: Patch) -> None:
    """A change that was damaged is gone, and nobody hears of it."""

    def change(batch: Batch) -> Batch:
        writes = [
            Delete(OUTBOX, write.value["seq"])
            if not isinstance(write, Delete) and write.value.get("damaged")
            else write
            for write in batch.writes
        ]
        return replace(batch, writes=writes)

    patch.setattr(runner, "quarantine", changed(quarantine, change))


def old_copy_is_not_told(patch: Patch) -> None:
    """A server that is an older copy of itself, under its old name, goes unnoticed."""
    settle = core_settle._Pull.moved_on

    def silent(self: Any, *rest: Any) -> Any:
        response = self.response.model_copy(update={"restored": False})
        return settle(replace(self, response=response), *rest)

    patch.setattr(core_settle._Pull, "moved_on", silent)


def pokes_are_ignored(patch: Patch) -> None:
    """The server's word that there is something new is not heard."""
    patch.setattr(Engine, "poke", lambda _self, _cursor: None)


def pokes_are_always_followed(patch: Patch) -> None:
    """The server's word makes a request, whatever it says."""
    patch.setattr(Engine, "poke", lambda self, _cursor: self.wake())


def page_is_blamed_on_actions(patch: Patch) -> None:
    """What a proxy says in a page counts as the server's verdict."""
    interpret = transport.interpret

    def blaming(response: Any, now: int) -> Any:
        if response.status in (502, 503) and response.body.startswith("<"):
            raise Refused(422, "html", "No.")
        return interpret(response, now)

    patch.setattr(transport, "interpret", blaming)


def all_is_told_as_applied(patch: Patch) -> None:
    """Whoever asks what became of a change hears that the server took it."""
    settled = Outcomes.settled

    async def rosy(self: Outcomes, action_id: str, timeout: float) -> Any:
        return await settled(self, action_id, timeout) and "applied"

    patch.setattr(Outcomes, "settled", rosy)


STORAGE_MUTANTS: tuple[Callable[[Patch], None], ...] = (
    stays_who_it_was,
    takes_all_for_new,
    forgets_who_sent_it,
    trusts_its_counter,
    keeps_what_a_whole_pull_did_not_show,
    damaged_rows_are_given_up,
    damaged_entries_are_dropped,
    old_copy_is_not_told,
    pokes_are_ignored,
    pokes_are_always_followed,
    page_is_blamed_on_actions,
    all_is_told_as_applied,
)
