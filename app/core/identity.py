"""Who this device is to the server: a client id, and the counter that numbers its actions.

Both are of one piece. A server forgets the receipts of what a client has settled, and refuses what
that client sends below: `already_settled`. A storage that was put back to an older state (a browser
profile from a backup, a copy of one, last transactions that never reached the disk) counts anew
under its old id, and so is refused. It then goes on under a new one, its successor.

No effect is had twice on the way. An entry names the client under which it goes, and keeps it over
such a change: that client's receipts are the only ones that know it. Only what cannot have been
carried out goes under the successor: what was made since this context started, and so after the
storage was put back, and was never sent before. What is older may have been carried out in the time
that the device has lost. It is `failed` and kept, and Retry sends it only where its item still is
as it was when the action was made: then the action cannot have had an effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.decision import Decision
from app.core.entry import Entry
from app.core.metadata import CLIENT_ID, NEWEST, SEQ, Stored, counter, id_of, number_of, put
from app.errors import InvalidInput
from app.ports import Batch, Put
from app.protocol import Problem, Result, Row

SETTLED = "already_settled"
PERHAPS_DONE = Problem(
    code=SETTLED,
    message="This device was put back to an older state, and this change may have been carried out "
    "before that. It is kept as it is.",
)
NOT_LOOKED_UP = (
    "This change may have been carried out before this device was put back to an older state. "
    "It can be sent again once this device has synchronised with the server."
)
CHANGED_SINCE = (
    "This change may have been carried out before this device was put back to an older state, and "
    "its item was changed since. Compare them; then discard this change, or make it anew."
)


@dataclass(frozen=True)
class Identity:
    """The client that this device was when a context started, and the last `seq` given by then.

    `successor` is the client that it becomes where its storage turns out to have been put back; a
    client that was made just now has none, and needs none.
    """

    client_id: str = ""
    floor: int = 0
    successor: str = ""

    def renew(
        self, lines: Sequence[list[Entry]], results: Mapping[str, Result], now: Stored
    ) -> Renewal:
        """Return what becomes of items' entries, in flight until `results` refused some as settled.

        `now` is the record of the client that this device is now.
        """
        refused = [
            entry
            for line in lines
            for entry in line
            if _is_refused(entry, results) and entry.client_id != self.successor
        ]
        known = id_of(now)
        if not refused or not self.successor:
            return Renewal(list(lines))
        moves = known is None or any(entry.client_id in (known, "") for entry in refused)
        goes_under = self.successor if moves or known is None else known
        again = {
            entry.seq: entry.released(in_doubt=False).under(goes_under)
            for entry in refused
            if entry.seq > self.floor and not entry.in_doubt
        }
        left = [[again.get(entry.seq, entry) for entry in line] for line in lines]
        return Renewal(left, (put(CLIENT_ID, goes_under),) if moves else ())


NOBODY = Identity()


@dataclass(frozen=True)
class Renewal:
    """The lines of some items after a refusal as settled, and what else is written."""

    lines: list[list[Entry]]
    writes: tuple[Put, ...] = ()


def _is_refused(entry: Entry, results: Mapping[str, Result]) -> bool:
    return entry.state == "in_flight" and is_settled(results.get(entry.id))


def is_settled(result: Result | None) -> bool:
    """Tell whether an action was refused since its client has said that it settled it."""
    problem = None if result is None else result.error
    return problem is not None and problem.code == SETTLED


def was_put_back(results: Iterable[Result]) -> bool:
    """Tell whether an answer says that this device is older than what the server heard of it."""
    return any(map(is_settled, results))


def identify(fresh: str) -> Decision:
    """Find out who this device is, or make it the client `fresh`; returns an `Identity`.

    Where only the counter was lost it is a new client, too: nobody knows what it gave before. One
    that is behind the outbox was damaged: it is put right before what it gave is sent and gone. Of
    a client that is known, `fresh` is the successor.
    """

    def decide(client: Stored, seq: Stored, newest: list[dict[str, Any]]) -> Batch:
        known, given, floor = id_of(client), number_of(seq), counter(seq, newest)
        if known is not None and given is not None:
            righted = [put(SEQ, floor)] if given < floor else []
            return Batch(righted, Identity(known, floor, fresh))
        return Batch([put(CLIENT_ID, fresh), put(SEQ, floor)], Identity(fresh, floor))

    return Decision([CLIENT_ID, SEQ, NEWEST], decide)


def freed_of_doubt(entry: Entry, row: Row | None, cursor: Stored, client: Stored) -> Entry:
    """Return an entry that was refused as settled, to be sent under this device's client now.

    Raises `InvalidInput` where it may have been carried out, as far as is known here.
    """
    known, action = id_of(client), entry.readable()
    if known is None or known == entry.client_id or not (cursor or {}).get("whole"):
        raise InvalidInput(NOT_LOOKED_UP)
    # A server that was put back unannounced gives out versions twice: the data tells them apart.
    found = (row.version, row.data) if row else (None, None)
    if action is None or found != (action.base_version, entry.base):
        raise InvalidInput(CHANGED_SINCE)
    return entry.under(known)


def was_settled(entry: Entry) -> bool:
    """Tell whether an entry failed since its client has said that it settled it."""
    return entry.state == "failed" and entry.error is not None and entry.error.code == SETTLED
