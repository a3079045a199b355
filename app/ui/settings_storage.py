"""What is kept on this device: how much, how safely, and all of it as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from app import __version__
from app.errors import DriftlineError
from app.ports import Device
from app.protocol import PROTOCOL
from app.sync.client import Client
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import spawn
from app.ui.settings_words import export_name, persistence_text, share_used, usage_text


class StorageCard:
    """Shows the state of the storage when asked to; protects and exports at a tap."""

    def __init__(self, view: Any, client: Client, device: Device) -> None:
        self._client = client
        self._device = device
        self._usage, self._meter = part(view, "usage"), part(view, "meter")
        self._persistence, self._persist = part(view, "persistence"), part(view, "persist")
        self._export_state = part(by_test_id("export"), "export-state")
        self._asked = False
        self._exporting: asyncio.Future[None] | None = None
        on(self._persist, "click", lambda _event: spawn(self._protect()))
        on(part(view, "export"), "click", lambda _event: self._export())

    async def refresh(self) -> None:
        """Show the storage as it is now."""
        state = await self._device.storage()
        set_text(self._usage, usage_text(state))
        percent = round(100 * share_used(state), 1)
        part(self._meter, "bar").style.width = f"{percent}%"
        self._meter.setAttribute("aria-valuenow", str(percent))
        self._meter.setAttribute("aria-valuetext", usage_text(state))
        self._meter.hidden = not state.quota
        set_text(self._persistence, persistence_text(state, asked=self._asked))
        self._persist.hidden = state.persistent is not False

    async def _protect(self) -> None:
        self._asked = True
        await self._device.persist()
        await self.refresh()

    def _export(self) -> None:
        """One file at a time: a second tap means the first."""
        if self._exporting is None:
            self._exporting = asyncio.ensure_future(self._do_export())

    async def _do_export(self) -> None:
        set_text(self._export_state, "Gathering everything…")
        try:
            set_text(self._export_state, await export_everything(self._client, self._device))
        finally:
            self._exporting = None


def export_everything(client: Client, device: Device) -> Coroutine[Any, Any, str]:
    """Hand the person a file with everything on the device; returns what came of it, in words."""
    pieces = client.export(app_version=__version__, protocol=PROTOCOL)
    name = export_name(datetime.now())

    async def save() -> str:
        try:
            await device.save_file(name, pieces)
        except DriftlineError as error:
            return f"This could not be exported. {error}"
        return f"Exported as {name}."

    return save()
