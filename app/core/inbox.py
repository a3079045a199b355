"""Settling what the service worker sent while no page led (app/core/attempt.py).

The next leader settles the records in their order, each in one transaction that also deletes it,
before it sends anything itself: no worker is sending while a page leads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from app.core.attempt import Attempt
from app.core.decision import Decision
from app.core.entry import Entry
from app.core.identity import NOBODY, Identity
from app.core.invalid import Check, fits_always
from app.core.metadata import COURIER, put
from app.core.policy import Resolve, leave
from app.core.schema import INBOX
from app.core.settle import Settled, settle
from app.ports import Batch, Delete, Get, Value
from app.protocol import SyncResponse


def settle_attempt(
    attempt: Attempt,
    response: SyncResponse,
    entries: Sequence[Entry],
    now: int,
    check: Check = fits_always,
    identity: Identity = NOBODY,
    resolve: Resolve = leave,
) -> Decision:
    """Settle a record like an answer to a request of our own; returns a `Settled`.

    `entries` are those of its actions that were there a moment ago. They count as in flight, though
    the worker left them as they were.
    """
    inner = settle(
        entries, response, attempt.asked, now, check=check, identity=identity, resolve=resolve
    )
    ids = {action.id for action in attempt.actions}

    def decide(record: Value | None, *found: Any) -> Batch:
        if record is None:
            return Batch(result=Settled())
        seen = [
            [_flying(it, ids, attempt) for it in one] if isinstance(one, list) else one
            for one in found
        ]
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
        puts = [
            entry.put(
                sent=True,
                in_doubt=True,
                replaced=None,
                client_id=attempt.client or entry.client_id,
            )
            for entry in waiting
        ]
        return Batch([*puts, Delete(INBOX, attempt.id)])

    return Decision(attempt.named(), decide)


def drop_record(record_id: Any) -> Decision:
    """Take out a record that cannot be read."""
    return Decision([], lambda: Batch([Delete(INBOX, record_id)]))


def brief(api_url: str | None, local_types: Iterable[str]) -> Decision:
    """Tell the worker where the API is and which action types are never sent.

    Without an address it sends nothing: what is talked to is no server of ours.
    """
    known = put(COURIER, {"api": api_url, "local_types": sorted(local_types)})
    unknown = Delete(COURIER.store, COURIER.key)
    return Decision([], lambda: Batch([unknown if api_url is None else known]))


def _flying(value: Value, ids: set[str], attempt: Attempt) -> Value:
    """Return a stored entry as claimed for the attempt, if it waits and was among what it sent."""
    if value.get("id") not in ids or value.get("state") not in ("pending", "in_flight"):
        return value
    claimed = {"state": "in_flight", "sent": True, "replaced": None}
    claimed["client_id"] = attempt.client or value.get("client_id", "")
    doubtful = {"in_doubt": True} if attempt.again else {}
    return {**value, **claimed, **doubtful}
