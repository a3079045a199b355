"""The `Device` on the browser: how much is stored, how safely, files for people, installing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Any

from js import URL, Array, Blob, document, matchMedia, navigator, window
from pyodide.ffi import JsException, to_js

from app.browser.ffi import js_object, listen
from app.core.persistence import asks_nobody
from app.ports import InstallState, StorageState

KEPT_FOR = 60
"""Seconds that a file is kept for the browser to save it: nothing says when it has."""


class BrowserDevice:
    """See the port. Where the browser lacks something it says nothing, or no."""

    def __init__(self) -> None:
        self._watching: list[Callable[[InstallState], None]] = []
        self._installed = matchMedia("(display-mode: standalone)").matches
        listen(window, "beforeinstallprompt", lambda _event: self._tell())
        listen(window, "appinstalled", self._was_installed)

    async def storage(self) -> StorageState:
        """See the port."""
        if not hasattr(navigator, "storage"):
            return StorageState()
        try:
            found = await navigator.storage.estimate()
            persistent = bool(await navigator.storage.persisted())
        except JsException:
            return StorageState()
        return StorageState(int(found.usage), int(found.quota), persistent)

    async def persist(self) -> bool:
        """See the port."""
        try:
            return bool(await navigator.storage.persist())
        except (JsException, AttributeError):
            return False

    async def persist_quietly(self) -> None:
        """Ask for storage that lasts, where that shows nothing to the person."""
        data = getattr(navigator, "userAgentData", None)
        brands = [known.brand for known in data.brands] if data else []
        if asks_nobody(await _permission(), brands, navigator.vendor):
            await self.persist()

    async def save_file(self, name: str, parts: AsyncIterable[str]) -> None:
        """See the port. The parts are handed to the browser one by one: it may put them on disk."""
        blobs = Array.new()
        async for part in parts:
            blobs.push(Blob.new(to_js([part])))
        url = URL.createObjectURL(Blob.new(blobs, js_object({"type": "application/json"})))
        link = document.createElement("a")
        link.href, link.download = url, name
        link.click()
        asyncio.get_running_loop().call_later(KEPT_FOR, URL.revokeObjectURL, url)

    def watch_install(self, fn: Callable[[InstallState], None]) -> None:
        """See the port."""
        self._watching.append(fn)
        fn(self._install_state())

    async def install(self) -> None:
        """See the port. The browser's offer is good for one question only (assets/early.js)."""
        offer = window.driftlineInstall
        window.driftlineInstall = None
        offer.prompt()
        await offer.userChoice
        self._tell()

    def _install_state(self) -> InstallState:
        if self._installed:
            return "installed"
        if getattr(window, "driftlineInstall", None):
            return "offered"
        return "by_hand" if hasattr(navigator, "standalone") else "unavailable"

    def _was_installed(self, _event: Any) -> None:
        self._installed = True
        self._tell()

    def _tell(self) -> None:
        for fn in self._watching:
            fn(self._install_state())


async def _permission() -> str | None:
    """Return what was decided of storage that lasts; `None` where the browser does not say."""
    try:
        asked = js_object({"name": "persistent-storage"})
        return str((await navigator.permissions.query(asked)).state)
    except (JsException, AttributeError):
        return None
