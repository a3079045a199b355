"""Actions made on an item before an earlier one of this device changed it.

Such an action names the version that was there before both. A server that judges whole batches
knows that the write in between was the client's own (server/apply.py). Any other sees a version
that is not the item's any more, so there the action is based anew once the earlier one is settled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.core.entry import Entry
from app.protocol import Result


def rebased(
    entries: Sequence[Entry], results: Mapping[str, Result], on_base: frozenset[str]
) -> list[Entry]:
    """Return an item's entries, those behind an action of `on_base` based on what came of it.

    Only where both had the same base: then nobody else can have written in between.
    """
    waiting = list(entries)
    for position, entry in enumerate(entries):
        row = results[entry.id].row if entry.id in on_base and entry.id in results else None
        if row is None:
            continue
        for place in range(position + 1, len(waiting)):
            later = waiting[place]
            if later.id not in results and later.base == entry.base:
                waiting[place] = later.based_on(row.version, row.data)
    return waiting
