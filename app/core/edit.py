"""Sending again what a person wants sent: as it is, or with other data."""

from __future__ import annotations

from typing import Any

from app.core.actions import Data, Registry
from app.core.attempt import UNSETTLED, perhaps_sent
from app.core.decision import Decision
from app.core.enqueue import checked_action
from app.core.entry import DAMAGED, HOLDING, Entry, by_item
from app.core.identity import freed_of_doubt, was_settled
from app.core.invalid import read_row
from app.core.metadata import CLIENT_ID, CURSOR, Stored
from app.core.order import restated, rewrites
from app.core.outbox import among
from app.core.schema import ROWS
from app.core.view import project
from app.errors import InvalidInput
from app.ports import Batch, Get, Query
from app.protocol import Row


def retry(entry: Entry, new_id: str) -> Decision:
    """Make a failed or conflicting entry pending again; returns it as it is now.

    Where the server gave a verdict, a resend under the same id would only get it again, so the
    action goes under `new_id`; where the outcome is unknown, it must keep its id. After a conflict
    the item's actions are based on the server's version as it is now. Raises `InvalidInput` for an
    entry that did not fail, and for one of a lost time that may have taken effect.
    """

    def decide(row: Stored, found: list[dict[str, Any]], *who: Stored) -> Batch:
        current, entries = among(entry.id, found)
        if current.state not in HOLDING:
            raise InvalidInput("This change has not failed; it is sent when its turn comes.")
        again = current if current.verdict is None else current.renamed(new_id)
        if was_settled(current):
            again = freed_of_doubt(current, read_row(row), *who)
        return _sent_again(entries, current, again, row)

    return Decision(_queries(entry), decide)


def edit(entry: Entry, data: Data | None, new_id: str, registry: Registry) -> Decision:
    """Give an action other data and let it be sent, in its place; returns its entry as it is now.

    It goes under `new_id` if it was ever sent. Raises `InvalidInput` while it is being sent, and
    where it is in doubt whether it took effect: under its id the server would refuse other data,
    under another it could be a second effect. Raises `InvalidInput` or `Rejected` where the server
    would be sure to refuse the new data. Then nothing is changed.
    """

    def decide(
        inbox: list[dict[str, Any]], row: Stored, found: list[dict[str, Any]], *who: Stored
    ) -> Batch:
        current, entries = among(entry.id, found)
        _check_editable(current, perhaps_sent(inbox))
        if was_settled(current):
            current = freed_of_doubt(current, read_row(row), *who)
        before = [other for other in entries if other.seq < current.seq]
        known = current.renamed(new_id) if current.sent else current
        again = _edited(known, data, read_row(row), before, registry)
        return _sent_again(entries, current, again, row)

    return Decision([UNSETTLED, *_queries(entry)], decide)


def _queries(entry: Entry) -> list[Query]:
    return [Get(ROWS, list(entry.item)), by_item(*entry.item), CURSOR, CLIENT_ID]


def _check_editable(entry: Entry, sent: frozenset[str]) -> None:
    if entry.state == "in_flight" or entry.id in sent:
        raise InvalidInput("This change is being sent; it can be edited once there is an answer.")
    if entry.in_doubt and entry.verdict is None:
        raise InvalidInput(
            "It is not known whether this change was carried out, so it cannot be edited. "
            "Retry it, or discard it and make it anew."
        )


def _edited(
    entry: Entry, data: Data | None, row: Row | None, before: list[Entry], registry: Registry
) -> Entry:
    """Return the entry with other data, which its action type accepts in its place."""
    known = entry.readable()
    if known is None:
        raise InvalidInput(DAMAGED.message)
    changes = {"data": data, "version": registry.version(entry.type)}
    action = checked_action({**dict(known), **changes})
    if registry.knows(entry.type):
        shown = project(entry.collection, entry.item_id, row, before, registry)
        registry.apply(shown.data, action)
    return entry.model_copy(update={"action": action.model_dump_json()})


def _sent_again(
    entries: list[Entry], current: Entry, again: Entry, row: dict[str, Any] | None
) -> Batch:
    """Return the writes after which `current` is sent once more, as `again`, when its turn comes.

    `entries` are its item's; after a conflict they are all based on `row`, as it is now.
    """
    fresh = {"state": "pending", "attempts": 0, "next_attempt_at": 0, "error": None}
    again = again.model_copy(update=fresh)
    line = [again if other.seq == again.seq else other for other in entries]
    if current.state == "conflict" and row is not None:
        line = [other.based_on(row["version"], row["data"]) for other in line]
    line = restated(line)
    (again,) = (other for other in line if other.seq == again.seq)
    return Batch(rewrites(entries, line), again)
