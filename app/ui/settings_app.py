"""The app itself: installing it, its version, and whether there is a newer one."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from app import __version__
from app.errors import DriftlineError, StorageError
from app.ports import Device, InstallState, Updates
from app.protocol import PROTOCOL
from app.sync.client import Client
from app.sync.notices import Notices
from app.sync.stores import Readable
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import spawn
from app.ui.settings_words import INSTALL, NOT_CHECKED, UPDATE


@dataclass(frozen=True)
class Around:
    """What the settings are about beside the client.

    `server` is the API's address; `update_ready` says that a new version waits; `notices` is `None`
    where the server has none.
    """

    device: Device
    updates: Updates
    update_ready: Readable[bool]
    server: str
    notices: Notices | None = None


class AppCard:
    """Shows what runs here; installs, looks for a new version and switches to it at a tap."""

    def __init__(self, client: Client, around: Around) -> None:
        self._around = around
        self._install = by_test_id("install")
        self._version = by_test_id("version")
        self._state = part(self._version, "update-state")
        self._checking: asyncio.Future[None] | None = None
        on(part(self._install, "install"), "click", lambda _event: spawn(around.device.install()))
        on(part(self._version, "check"), "click", self._check)
        on(part(self._version, "apply"), "click", lambda _event: around.updates.apply())
        set_text(self._state, NOT_CHECKED)
        around.device.watch_install(self._show_install)
        around.update_ready.subscribe(self._show_update)
        spawn(self._show_facts(client))

    async def _show_facts(self, client: Client) -> None:
        about = by_test_id("about")
        set_text(part(about, "app-version"), __version__)
        set_text(part(about, "protocol"), str(PROTOCOL))
        set_text(part(about, "server"), self._around.server)
        with contextlib.suppress(StorageError):  # a full one: then it stays unsaid
            set_text(part(about, "client-id"), await client.client_id())

    def _show_install(self, state: InstallState) -> None:
        self._install.hidden = not INSTALL[state]
        set_text(part(self._install, "install-text"), INSTALL[state])
        part(self._install, "install").hidden = state != "offered"

    def _show_update(self, ready: bool) -> None:
        part(self._version, "check").hidden = ready
        part(self._version, "apply").hidden = not ready
        if ready:
            set_text(self._state, UPDATE["ready"])

    def _check(self, _event: Any) -> None:
        if self._checking is None:
            self._checking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        set_text(self._state, "Looking for a new version…")
        try:
            set_text(self._state, UPDATE[await self._around.updates.check()])
        except DriftlineError as error:
            set_text(self._state, str(error))
        finally:
            self._checking = None
