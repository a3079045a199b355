"""The tabs of one device: who leads, by Web Lock, and what they tell each other.

A page that the browser keeps for “back” (back/forward cache) neither leads nor waits to lead, and
hears nothing: a lock or an open channel would keep it from being kept, or a frozen one in the lead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from js import AbortController, BroadcastChannel, Promise, navigator, window
from pyodide.ffi import create_proxy

from app.browser.ffi import js_object, listen


def lock_leadership(name: str) -> LockLeadership | None:
    """Return leadership by the lock of this name, `None` where the browser has no Web Locks."""
    return LockLeadership(name) if hasattr(navigator, "locks") else None


class LockLeadership:
    """Leadership by Web Lock: the browser passes it on when the holder ends or crashes.

    It is given up when the page is left, and asked for again when the page comes back.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn: _Turn | None = None
        self._shown = asyncio.Event()
        self._shown.set()
        listen(window, "pagehide", self._left)
        listen(window, "pageshow", lambda _event: self._shown.set())

    async def hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """See the port."""
        while True:
            await self._shown.wait()
            self._turn = _Turn(self._name)
            try:
                if await self._turn.granted and await self._turn.run(lead):
                    return
            finally:
                self._turn.give_up()

    def _left(self, _event: Any) -> None:
        self._shown.clear()
        if self._turn is not None:
            self._turn.give_up()


class _Turn:
    """One place in the line for the lock, and the lock once it is `granted`.

    Both are given up within the call, not in a later turn of the event loop: when a page is left,
    there may be none.
    """

    def __init__(self, name: str) -> None:
        self.granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._leading: asyncio.Future[None] | None = None
        self._line = AbortController.new()
        self._held = Promise.withResolvers()
        self._proxies = [
            create_proxy(self._grant),
            create_proxy(self._end),
            create_proxy(self._refuse),
        ]
        grant, end, refuse = self._proxies
        request = navigator.locks.request(name, js_object({"signal": self._line.signal}), grant)
        request.then(end, refuse)

    async def run(self, lead: Callable[[], Awaitable[None]]) -> bool:
        """Lead until `lead` ends, or until this turn is given up; tells whether it ended."""
        self._leading = asyncio.ensure_future(lead())
        await asyncio.wait([self._leading])
        if self._leading.cancelled():
            return False
        self._leading.result()
        return True

    def give_up(self) -> None:
        """Leave the line, or let go of the lock."""
        self._line.abort()
        self._held.resolve()
        if not self.granted.done():
            self.granted.set_result(False)
        if self._leading is not None:
            self._leading.cancel()

    def _grant(self, _lock: Any) -> Any:
        """Hold the lock, which was granted, until it is given up."""
        if not self.granted.done():
            self.granted.set_result(True)
        return self._held.promise

    def _refuse(self, error: Any) -> None:
        if not self.granted.done():
            self.granted.set_exception(error)
        self._end(error)

    def _end(self, _outcome: Any) -> None:
        for proxy in self._proxies:
            proxy.destroy()


class TabChannel:
    """The `Channel` on BroadcastChannel; messages cross as JSON. Closed while the page is left."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._receivers: list[Callable[[Mapping[str, Any]], None]] = []
        self._channel: Any = None
        self._received = create_proxy(self._receive)
        self._open(None)
        listen(window, "pagehide", self._close)
        listen(window, "pageshow", self._open)

    def publish(self, message: Mapping[str, Any]) -> None:
        """See the port."""
        if self._channel is not None:
            self._channel.postMessage(json.dumps(message))

    def subscribe(self, receive: Callable[[Mapping[str, Any]], None]) -> Callable[[], None]:
        """See the port."""
        self._receivers.append(receive)
        return lambda: self._receivers.remove(receive)

    def _open(self, _event: Any) -> None:
        if self._channel is None:
            self._channel = BroadcastChannel.new(self._name)
            self._channel.addEventListener("message", self._received)

    def _close(self, _event: Any) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _receive(self, event: Any) -> None:
        message = json.loads(event.data)
        for receive in list(self._receivers):
            receive(message)
