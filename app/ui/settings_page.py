"""The settings' view."""

from __future__ import annotations

from collections.abc import Callable

from app.sync.client import Client


class SettingsPage:
    """The settings' view."""

    def __init__(self, client: Client, notify: Callable[[str], None]) -> None:
        self._client = client
        self._notify = notify

    async def start(self) -> None:
        """See `Page`."""

    def enter(self, item: str | None) -> None:
        """See `Page`."""

    def leave(self) -> None:
        """See `Page`."""
