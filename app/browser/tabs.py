"""The tabs of one device: who leads, by Web Lock, and what they tell each other."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from js import BroadcastChannel, navigator
from pyodide.ffi import create_proxy

from app.browser.ffi import listen


class LockLeadership:
    """Leadership by Web Lock: the browser passes it on when the holder ends or crashes.

    Where there are no Web Locks every tab leads: the server's receipts keep that harmless.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        if not hasattr(navigator, "locks"):
            await lead()
            return

        async def granted(_lock: Any) -> None:
            await lead()

        proxy = create_proxy(granted)
        try:
            await navigator.locks.request(self._name, proxy)
        finally:
            proxy.destroy()


class TabChannel:
    """The `Channel` on BroadcastChannel; messages cross as JSON."""

    def __init__(self, name: str) -> None:
        self._channel = BroadcastChannel.new(name)
        self._receivers: list[Callable[[Mapping[str, Any]], None]] = []
        listen(self._channel, "message", self._receive)

    def publish(self, message: Mapping[str, Any]) -> None:
        """See the port."""
        self._channel.postMessage(json.dumps(message))

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """See the port."""
        self._receivers.append(receive)
        return lambda: self._receivers.remove(receive)

    def _receive(self, event: Any) -> None:
        message = json.loads(event.data)
        for receive in list(self._receivers):
            receive(message)
