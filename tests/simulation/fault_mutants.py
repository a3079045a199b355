"""Defects that only one kind of fault brings to light: each fault of the schedules has its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.core import claim as claims
from app.core.identity import Identity
from app.core.outbox import clear_page
from app.core.reset import Reset
from app.core.schema import METADATA
from app.core.settle import Settled
from app.errors import Refused
from app.ports import Batch, Put
from app.sync import engine, peers, refusals, transport
from app.sync.changes import Changes
from app.sync.client import Client
from server import apply, history, push
from tests.simulation.patching import Patch, changed


def ignores_the_epoch(patch: Patch) -> None:
    """The server follows a cursor of the history before a backup was put back."""
    start = history.History.start

    def trusting(self: Any, cursor: Any, newest: Any = None) -> Any:
        return start(self, cursor and replace(cursor, epoch=self.epoch), newest)

    patch.setattr(history.History, "start", trusting)


def ignores_the_horizon(patch: Patch) -> None:
    """The server follows a cursor from before deletions that it has forgotten."""
    start = history.History.start

    def trusting(self: Any, cursor: Any, newest: Any = None) -> Any:
        return start(replace(self, horizon=0), cursor, newest)

    patch.setattr(history.History, "start", trusting)


def server_trusts_its_clock(patch: Patch) -> None:
    """The server stamps rows with whatever its clock says."""
    apply_batch = apply.apply_batch

    def trusting(registry: Any, before: Any, *rest: Any) -> Any:
        return apply_batch(registry, replace(before, updated_at=0), *rest)

    patch.setattr(push, "apply_batch", trusting)


def reset_is_ignored(patch: Patch) -> None:
    """A device that starts over keeps what it had."""
    patch.setattr(Reset, "after", lambda self, _response, **_: self)


def reset_drops_the_outbox(patch: Patch) -> None:
    """A device that starts over forgets what it has not sent."""
    settle = engine.Engine._settle

    async def forgetful(self: Any, push: Any, answer: Any) -> Settled:
        settled = await settle(self, push, answer)
        if answer.response.reset:
            await self._transact(clear_page())
        return settled

    patch.setattr(engine.Engine, "_settle", forgetful)


def sign_in_is_a_verdict(patch: Patch) -> None:
    """An action that nobody was signed in for has failed."""
    patch.setattr(refusals, "VERDICT_STATUSES", refusals.VERDICT_STATUSES | {401})


def update_is_a_verdict(patch: Patch) -> None:
    """An action that an old app sent has failed."""
    patch.setattr(refusals, "VERDICT_STATUSES", refusals.VERDICT_STATUSES | {426})


def held_queue_is_tried_at_once(patch: Patch) -> None:
    """Waiting for a sign-in makes a stream of requests."""
    patch.setattr(engine, "HOLD", 0.5)


def too_large_is_given_up(patch: Patch) -> None:
    """A batch that is too large has failed, instead of being halved."""
    judge = refusals.Refusals.judge

    async def hasty(self: Any, error: Refused, pushed: Any) -> Settled:
        if error.status != 413:
            return await judge(self, error, pushed)
        settled = Settled()
        for entry in pushed:
            settled.add(await self._keep(error, entry, conflicts=False))
        return settled

    patch.setattr(refusals.Refusals, "judge", hasty)


def ignores_retry_after(patch: Patch) -> None:
    """A server that asks for time gets none."""
    patch.setattr(transport, "parse_retry_after", lambda *_: None)


def sends_by_the_clock(patch: Patch) -> None:
    """Actions are sent in the order of their times, and the device's clock may be wrong."""

    def change(batch: Batch) -> Batch:
        claimed = batch.result
        ordered = tuple(sorted(claimed.entries, key=lambda entry: entry.parsed().created_at))
        return replace(batch, result=replace(claimed, entries=ordered))

    patch.setattr(engine, "claim", changed(claims.claim, change))


def put_off_for_years(patch: Patch) -> None:
    """An action that was put off by a wrong clock waits until that time has come."""
    patch.setattr(claims, "LONGEST_WAIT", 10**15)


def old_name_on_an_empty_device(patch: Patch) -> None:
    """A device whose storage was wiped counts anew under the name that it had."""

    async def same(self: Any) -> str:
        name = f"device-{id(self._world.random)}"
        known = Batch([Put(METADATA, {"key": "client_id", "value": name})], Identity(name))
        self._identity = await self._world.store.transact([], lambda: known)
        return name

    patch.setattr(Client, "client_id", same)


def lost_messages_go_unnoticed(patch: Patch) -> None:
    """A tab that was not told of a change shows what was there before."""
    patch.setattr(Changes, "tell_everything", lambda _: None)


def waits_for_a_report_for_ever(patch: Patch) -> None:
    """“Sync now” waits for a leader that never heard of it."""
    patch.setattr(peers, "ANSWER_WITHIN", 10.0**9)


FAULT_MUTANTS: tuple[Callable[[Patch], None], ...] = (
    ignores_the_epoch,
    ignores_the_horizon,
    server_trusts_its_clock,
    reset_is_ignored,
    reset_drops_the_outbox,
    sign_in_is_a_verdict,
    update_is_a_verdict,
    held_queue_is_tried_at_once,
    too_large_is_given_up,
    ignores_retry_after,
    sends_by_the_clock,
    put_off_for_years,
    old_name_on_an_empty_device,
    lost_messages_go_unnoticed,
    waits_for_a_report_for_ever,
)
