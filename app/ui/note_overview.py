"""All notes in the list: those on the device, and those deleted here that others changed."""

from __future__ import annotations

from collections.abc import Callable

from app.core.notes import Note
from app.sync.client import Client
from app.sync.collection import Collection, Shown, View
from app.sync.report import Status
from app.ui.note_list import NoteList
from app.ui.page import spawn

PAGE = 200
"""Notes read at a time; a search reads on until all on the device are there."""


class NoteOverview:
    """Keeps the list as the notes are; `changed` is called after each change of it."""

    def __init__(
        self, client: Client, notes: Collection[Note], changed: Callable[[], None]
    ) -> None:
        self._client = client
        self._notes = notes
        self._changed = changed
        self._list = NoteList(self._searched)
        self._deleted: list[Shown[Note]] = []
        self._followed = (0, False)
        self._reading_on = False

    async def start(self) -> None:
        """Show the newest notes, and follow them from now on."""
        await self._notes.load(PAGE)
        self._notes.subscribe(self._render)
        self._client.status.subscribe(self._follow_status)
        self._list.enable()

    @property
    def offline(self) -> bool:
        """Whether the server does not answer."""
        return self._client.status.get().connection.status == "disconnected"

    def mark(self, item_id: str | None) -> None:
        """Show which note is open."""
        self._list.mark(item_id)

    def _follow_status(self, status: Status) -> None:
        offline = status.connection.status == "disconnected"
        if (status.conflicts, offline) != self._followed:
            self._followed = status.conflicts, offline
            spawn(self._find_deleted())

    async def _find_deleted(self) -> None:
        """Notes that are deleted here and changed by others are in no view, but in conflict."""
        self._deleted = [
            Shown(it.id, Note.model_validate(it.theirs), "conflict", (0, it.theirs_at))
            for it in await self._notes.conflicts()
            if it.kind == "deleted_here"
        ]
        self._render(self._notes.get_view())

    def _render(self, view: View[Note]) -> None:
        if view.loaded:
            self._list.render([*view.items, *self._deleted], offline=self.offline)
            self._changed()

    def _searched(self) -> None:
        """Read on until the search has seen every note on the device."""
        if self._list.query.strip() and not self._reading_on:
            self._reading_on = True
            spawn(self._read_on())

    async def _read_on(self) -> None:
        try:
            while self._notes.get_view().has_more:
                await self._notes.load_older(PAGE)
        finally:
            self._reading_on = False
