"""The notes' view."""

from __future__ import annotations

from collections.abc import Callable

from app.core.notes import Note
from app.sync.client import Client
from app.sync.collection import Collection


class NotesPage:
    """The notes' view."""

    def __init__(
        self, client: Client, notes: Collection[Note], notify: Callable[[str], None]
    ) -> None:
        self._client = client
        self._notify = notify

    async def start(self) -> None:
        """See `Page`."""

    def enter(self, item: str | None) -> None:
        """See `Page`."""

    def leave(self) -> None:
        """See `Page`."""
