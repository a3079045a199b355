"""Deleting everything on this device: asks, and names what would be lost (the end: ended.py)."""

from __future__ import annotations

from typing import Any

from app.errors import DriftlineError
from app.ports import Device
from app.sync.client import Client
from app.sync.report import Status
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import spawn
from app.ui.settings_storage import export_everything
from app.ui.settings_words import erase_text


class EraseCard:
    """The button, and the question that it asks."""

    def __init__(self, client: Client, device: Device) -> None:
        self._client = client
        self._device = device
        self._dialog = by_test_id("erase-dialog")
        self._error = part(self._dialog, "erase-error")
        on(by_test_id("erase"), "click", self._ask)
        on(part(self._dialog, "cancel"), "click", lambda _event: self._dialog.close())
        on(part(self._dialog, "export-first"), "click", lambda _event: spawn(self._export()))
        on(part(self._dialog, "confirm"), "click", lambda _event: spawn(self._erase()))
        client.status.subscribe(self._render)

    def _render(self, status: Status) -> None:
        set_text(part(self._dialog, "erase-text"), erase_text(status.count))
        part(self._dialog, "export-first").hidden = not status.count

    def _ask(self, _event: Any) -> None:
        set_text(self._error, "")
        self._dialog.showModal()

    async def _export(self) -> None:
        set_text(self._error, await export_everything(self._client, self._device))

    async def _erase(self) -> None:
        try:
            await self._client.erase()
        except DriftlineError as error:
            set_text(self._error, f"Not everything could be deleted. {error}")
