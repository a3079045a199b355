"""Starting over from the server: rows that a complete pull did not show are gone there.

A pull that starts over (`reset`) gives its rows the number of a new round. When its last page has
come, rows of earlier rounds are swept out, page by page. Where it stands is kept with the cursor,
in the same transactions, so that a crash at any point only means that it goes on later.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.core.decision import Decision
from app.core.schema import METADATA, ROWS
from app.ports import Batch, Delete, Get, Key, Put, Scan
from app.protocol import Row, SyncResponse

RESET = Get(METADATA, "reset")
EPOCH = Get(METADATA, "epoch")
PAGE = 500


@dataclass(frozen=True)
class Reset:
    """Where starting over stands; `round` is the number of the latest."""

    round: int = 0
    phase: Literal["none", "pulling", "sweeping"] = "none"

    def after(self, response: SyncResponse) -> Reset:
        """Return where it stands once a page of a pull has been stored."""
        if response.reset:
            return Reset(self.round + 1, "pulling" if response.has_more else "sweeping")
        if self.phase == "pulling" and not response.has_more:
            return Reset(self.round, "sweeping")
        return self

    def accepts(self, row: Row, stored: dict[str, Any] | None) -> bool:
        """Tell whether `row` takes the place of what is stored: in a reset, whatever its version.

        The server may have been put back to an older state than the device has seen.
        """
        older_round = stored is not None and stored.get("round", 0) < self.round
        return stored is None or row.version > stored["version"] or older_round

    def put_row(self, row: Row) -> Put:
        """Return the write that stores `row` as one that this round has seen."""
        return Put(ROWS, {**row.model_dump(mode="json"), "round": self.round})

    def put(self) -> Put:
        """Return the write that stores where it stands."""
        return Put(METADATA, {"key": "reset", "value": asdict(self)})


def read_reset(value: dict[str, Any] | None) -> Reset:
    """Return the stored state, or that of a device that never started over."""
    return Reset(**value["value"]) if value else Reset()


@dataclass(frozen=True)
class Swept:
    """One page of sweeping: the items that are gone, and where to go on, if anywhere."""

    gone: tuple[tuple[str, str], ...]
    after: Key | None


def sweep(after: Key | None) -> Decision:
    """Take out a page of rows that the latest round did not see; returns a `Swept`."""

    def decide(stored: dict[str, Any] | None, found: list[dict[str, Any]]) -> Batch:
        reset = read_reset(stored)
        if reset.phase != "sweeping":
            return Batch(result=Swept((), None))
        gone = [value for value in found if value.get("round", 0) < reset.round]
        writes: list[Put | Delete] = [
            Delete(ROWS, [value["collection"], value["id"]]) for value in gone
        ]
        last = found[-1] if len(found) == PAGE else None
        if last is None:
            writes.append(Reset(reset.round).put())
        keys = tuple((value["collection"], value["id"]) for value in gone)
        return Batch(writes, Swept(keys, [last["collection"], last["id"]] if last else None))

    return Decision([RESET, Scan(ROWS, lower=after, limit=PAGE)], decide)
