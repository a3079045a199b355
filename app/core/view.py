"""The view: what the user sees, as rows with the outbox's actions applied on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from app.core.actions import Data, Registry
from app.core.entry import Entry
from app.errors import NotFound, Rejected
from app.protocol import Problem, Row

ItemStatus = Literal["synced", "pending", "conflict", "failed"]


@dataclass(frozen=True)
class Item:
    """One item as it is shown. `data` is `None` once deleted; `seq` is its oldest action's, if any.

    `version` and `updated_at` are the server's last, 0 for an item that it does not have yet;
    `waiting` counts the actions on it in the outbox.
    `action_id` names the action that failed or is in conflict.
    """

    collection: str
    id: str
    data: Data | None
    status: ItemStatus
    version: int = 0
    updated_at: int = 0
    seq: int | None = None
    error: Problem | None = None
    action_id: str | None = None
    waiting: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """Confirmed items in the server's order, then the others in the order they were made."""
        return (0, self.updated_at) if self.version else (1, self.seq or 0)


def project(
    collection: str, item_id: str, row: Row | None, entries: Iterable[Entry], registry: Registry
) -> Item:
    """Return the item that `row` and its outbox entries (ordered by `seq`) amount to.

    An action that is refused here, or whose function has a defect, changes nothing of what is
    shown. The item's error is that of the action that holds it, else of the first that has one.
    """
    line = list(entries)
    first = line[0] if line else None
    data: Data | None = row.data if row else None
    held: Entry | None = None
    problem: Problem | None = None
    for entry in line:
        if held is None and entry.state in ("failed", "conflict"):
            held, problem = entry, entry.error
        elif held is None:
            problem = problem or entry.error
        action = entry.readable()
        if action is None:
            continue
        try:
            data = registry.attempt(data, action)
        except NotFound:
            continue
        except Rejected as error:
            problem = problem or Problem(code=error.code, message=str(error), fields=error.fields)
    return Item(
        collection=collection,
        id=item_id,
        data=data,
        status=_status(first, held),
        version=row.version if row else 0,
        updated_at=row.updated_at if row else 0,
        seq=first.seq if first else None,
        error=problem,
        action_id=held.id if held else None,
        waiting=len(line),
    )


def _status(first: Entry | None, held: Entry | None) -> ItemStatus:
    if held is not None:
        return "conflict" if held.state == "conflict" else "failed"
    return "pending" if first is not None else "synced"
