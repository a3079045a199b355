"""The settings' view: a card for each concern, each a widget of its own."""

from __future__ import annotations

from collections.abc import Callable

from app.sync.client import Client
from app.ui.dom import by_test_id, part
from app.ui.page import spawn
from app.ui.settings_app import AppCard, Around
from app.ui.settings_choices import NameCard, ThemeCard
from app.ui.settings_erase import EraseCard
from app.ui.settings_notices import NoticesCard
from app.ui.settings_storage import StorageCard


class SettingsPage:
    """Shows what can be set, and what a person can ask of this device."""

    def __init__(self, client: Client, around: Around, notify: Callable[[str], None]) -> None:
        self._view = by_test_id("settings")
        self._storage = StorageCard(self._view, client, around.device)
        self._notices = NoticesCard(around.notices)
        self._cards = (
            NameCard(self._view, client),
            ThemeCard(client, notify),
            AppCard(client, around),
            EraseCard(client, around.device),
        )

    async def start(self) -> None:
        """See `Page`. The notices wait for the worker, which is registered once this is done."""
        await self._storage.refresh()
        part(self._view, "cards").disabled = False

    def enter(self, _item: str | None) -> None:
        """See `Page`."""
        spawn(self._storage.refresh())
        spawn(self._notices.refresh())

    def leave(self) -> None:
        """See `Page`."""
