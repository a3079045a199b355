"""Sweeping out rows that the server does not have any more (app/core/reset.py)."""

from __future__ import annotations

from app.core.reset import Swept, sweep
from app.ports import Key, Store
from app.sync.changes import Changes


class Sweeper:
    """Sweeps page by page when asked, and once at its start: a crash may have left some over."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._needed = True

    async def run(self, needed: bool) -> None:
        """Sweep if `needed`, or if it was before and did not come to its end."""
        self._needed |= needed
        after: Key | None = None
        while self._needed:
            decision = sweep(after)
            swept: Swept = await self._store.transact(decision.queries, decision.decide)
            self._changes.announce(swept.gone)
            after = swept.after
            self._needed = after is not None
