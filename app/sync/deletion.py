"""A deletion that a person may want undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.sync.queue import Queued


@dataclass(frozen=True)
class Deletion:
    """The deletion of an item, by the `action` that carries it out."""

    action: Queued
    _bring_back: Callable[[], Awaitable[None]] = field(repr=False)

    async def undo(self) -> None:
        """Bring the item back: take the deletion back, or make the item anew once that was sent.

        Raises `NotFound` where there is nothing to bring back, or the item is there again.
        """
        await self._bring_back()
