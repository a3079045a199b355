"""Deleting everything on the device: in every tab, so that none goes on and fills it again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.errors import StorageError
from app.ports import Channel
from app.sync.stores import Writable

KIND = "erased"

_log = logging.getLogger(__name__)


class Erasure:
    """Deletes what is kept, has the other tabs do the same, and cancels what is `working`."""

    def __init__(self, erase: Callable[[], Awaitable[None]], channel: Channel) -> None:
        self._erase = erase
        self._channel = channel
        self._following: asyncio.Future[None] | None = None
        self.working: asyncio.Task[Any] | None = None
        self.erased = Writable(False)
        channel.subscribe(self._receive)

    async def erase(self) -> None:
        """Delete everything, here and in each tab; raises `StorageError`."""
        self._channel.publish({"kind": KIND})
        await self._end()

    def _receive(self, message: Mapping[str, Any]) -> None:
        if message.get("kind") == KIND:
            self._following = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        try:
            await self._end()
        except StorageError as error:
            _log.warning("Another tab deleted everything; this one could not follow: %s", error)

    async def _end(self) -> None:
        await self._erase()
        self.erased.set(True)
        if self.working is not None:
            self.working.cancel()
