"""Starting over from the server: rows that a complete pull did not show are gone there.

A pull that starts over (`reset`) gives its rows the number of a new round. When its last page has
come, rows of earlier rounds are swept out, page by page. Where it stands is kept with the cursor,
in the same transactions, so that a crash at any point only means that it goes on later. What was
stored of that and cannot be read any more begins anew, with a round whose number no row has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from app.core.decision import Decision
from app.core.invalid import read_row
from app.core.metadata import RESET, Stored, put, text_of
from app.core.schema import INVALID_ROWS, ROWS
from app.ports import Batch, Delete, Key, Put, Scan
from app.protocol import Row, SyncResponse

PAGE = 500
Phase = Literal["none", "pulling", "sweeping"]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class Reset:
    """Where starting over stands; `round` is the number of the latest.

    Rows are of this round or not: numbers are given in order where the last one is known.
    """

    round: int = 0
    phase: Phase = "none"

    def after(self, response: SyncResponse, *, begins: bool = False) -> Reset:
        """Return where it stands once a page of a pull has been stored.

        A pull `begins` anew also where the server does not say so: nobody named a cursor.
        """
        if response.reset or begins:
            return Reset(self.round + 1, "pulling" if response.has_more else "sweeping")
        if self.phase == "pulling" and not response.has_more:
            return Reset(self.round, "sweeping")
        return self

    def accepts(self, row: Row, stored: dict[str, Any] | None, is_there: bool) -> bool:
        """Tell whether `row` takes the place of what is stored.

        In a reset one that is there now does, whatever its version: the server may have been put
        back to an older state than the device has seen. One that may not be there any more, of an
        item that is not stored, waits for the pull to show it.
        """
        if stored is None:
            return is_there
        if read_row(stored) is None:
            return True
        newer: bool = row.version > stored["version"]
        return newer or (is_there and stored.get("round", 0) != self.round)

    def put_row(self, row: Row, stored: dict[str, Any] | None, is_there: bool) -> Put:
        """Return the write that stores `row`, as one that this round has seen if it `is_there`.

        A verdict that is given again has the item's row of then, which may be long gone. It stays
        after a reset only where a pull shows the item, too.
        """
        known = stored.get("round", 0) if stored else 0
        seen = self.round if is_there or self.phase == "none" else known
        return Put(ROWS, {**row.model_dump(mode="json"), "round": seen})

    def put(self) -> Put:
        """Return the write that stores where it stands."""
        return put(RESET, dict(vars(self)))


def read_reset(record: Stored, otherwise: int = 0) -> Reset:
    """Return the stored state, or one in a round `otherwise` where none can be read."""
    value = (record or {}).get("value")
    known = value if isinstance(value, dict) else {}
    number, name = known.get("round"), known.get("phase")
    phase = next((phase for phase in PHASES if phase == name), None)
    if type(number) is not int or number < 0 or phase is None:
        return Reset(otherwise)
    return Reset(number, phase)


def place_of(cursor: Stored, reset: Stored) -> str | None:
    """Return the cursor to pull from, `None` where nobody knows what was pulled, and why."""
    return None if read_reset(reset, -1).round < 0 else text_of(cursor)


@dataclass(frozen=True)
class Swept:
    """One page of sweeping: the items that are gone, and where to go on, if anywhere."""

    gone: tuple[tuple[str, str], ...]
    after: Key | None


def sweep(after: Key | None) -> Decision:
    """Take out a page of rows that the latest round did not see; returns a `Swept`."""

    def decide(stored: Stored, found: list[dict[str, Any]]) -> Batch:
        reset = read_reset(stored)
        if reset.phase != "sweeping":
            return Batch(result=Swept((), None))
        gone = [value for value in found if value.get("round", 0) != reset.round]
        writes: list[Put | Delete] = [
            Delete(store, [value["collection"], value["id"]])
            for value in gone
            for store in (ROWS, INVALID_ROWS)
        ]
        last = found[-1] if len(found) == PAGE else None
        if last is None:
            writes.append(Reset(reset.round).put())
        keys = tuple((value["collection"], value["id"]) for value in gone)
        return Batch(writes, Swept(keys, [last["collection"], last["id"]] if last else None))

    return Decision([RESET, Scan(ROWS, lower=after, limit=PAGE)], decide)
