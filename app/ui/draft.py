"""The draft of a field: kept on the device a moment after the last key, and when the page goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from js import document

from app.errors import StorageError
from app.sync.drafts import Drafts
from app.ui.dom import on
from app.ui.page import spawn

DELAY = 0.3
"""Seconds without a key after which the text is kept."""

_log = logging.getLogger(__name__)


class DraftKeeper:
    """Keeps what `read` returns under `name`. Where that fails nothing is lost but the draft."""

    def __init__(self, drafts: Drafts, name: str, read: Callable[[], str]) -> None:
        self._drafts = drafts
        self._name = name
        self._read = read
        self._kept = ""
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        on(document, "visibilitychange", self._visibility_changed)

    def begin(self, text: str) -> None:
        """Note what is kept already."""
        self._kept = text

    def follow(self, name: str) -> None:
        """Keep another field from now on; `begin` says what is kept of it already."""
        self.flush()
        self.rename(name)

    def rename(self, name: str) -> None:
        """Keep the same field under another name from now on; nothing is kept of it there yet."""
        self._name, self._kept = name, ""

    def flush(self) -> None:
        """Keep at once what was typed last."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._keep()

    async def settled(self) -> None:
        """Return once everything that was to be kept is written."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def keep(self, name: str, text: str) -> None:
        """Keep the text of a field that is no longer followed; raises `StorageError`."""
        self._writing = asyncio.ensure_future(self._drafts.keep(name, text))
        await self._writing

    def changed(self) -> None:
        """Note that the text may have changed."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(DELAY, self._keep)

    def _visibility_changed(self, _event: Any) -> None:
        if document.hidden:
            self._keep()

    def _keep(self) -> None:
        text = self._read()
        if text != self._kept:
            self._kept = text
            self._writing = asyncio.ensure_future(self._write(self._name, text))
            spawn(self._writing)

    async def _write(self, name: str, text: str) -> None:
        try:
            await self._drafts.keep(name, text)
        except StorageError as error:
            _log.warning("The draft %r could not be kept: %s", name, error)
