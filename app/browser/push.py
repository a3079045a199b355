"""The browser's side of push: asking the person, and an address at the browser's push service."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from js import JSON, Notification, driftline, window
from pyodide.ffi import JsException

from app.browser.ffi import js_object
from app.errors import Unreachable


class BrowserPush:
    """See `app.sync.notices.PushBrowser`."""

    async def state(self) -> Literal["unavailable", "denied", "off", "on"]:
        """See the port."""
        manager = await _manager()
        if manager is None:
            return "unavailable"
        if Notification.permission == "denied":
            return "denied"
        allowed = Notification.permission == "granted"
        return "on" if allowed and await manager.getSubscription() else "off"

    async def allow(self) -> bool:
        """See the port."""
        return str(await Notification.requestPermission()) == "granted"

    async def subscribe(self, key: str) -> Mapping[str, Any]:
        """See the port. What there was under another key, of another server, ends."""
        manager = await _manager()
        options = js_object({"userVisibleOnly": True, "applicationServerKey": key})
        try:
            await self.unsubscribe()
            made = await manager.subscribe(options)
        except JsException as error:
            message = "This browser could not reach its push service. Try again later."
            raise Unreachable(f"{message} ({error.message})") from None
        known: dict[str, Any] = json.loads(JSON.stringify(made))
        return {name: known[name] for name in ("endpoint", "keys")}

    async def unsubscribe(self) -> str | None:
        """See the port."""
        manager = await _manager()
        known = await manager.getSubscription() if manager is not None else None
        if not known:
            return None
        await known.unsubscribe()
        return str(known.endpoint)


def without_push(delete: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Return what gives up the address at the push service, and then deletes."""

    async def forget() -> None:
        with contextlib.suppress(JsException):  # what is pushed there says nothing of what was here
            await BrowserPush().unsubscribe()
        await delete()

    return forget


async def _manager() -> Any:
    if not hasattr(window, "PushManager") or not hasattr(window, "Notification"):
        return None
    registration = await driftline.registration
    return getattr(registration, "pushManager", None) if registration else None
