"""Crossing between Python and JavaScript: conversions, and the platform's clock and randomness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from random import SystemRandom
from typing import Any

from js import Object
from pyodide.ffi import create_proxy, to_js


def js_object(values: Mapping[str, Any]) -> Any:
    """Return a plain JavaScript object with these members, converted deeply."""
    return to_js(dict(values), dict_converter=Object.fromEntries)


def listen(target: Any, event: str, fn: Callable[[Any], Any]) -> Callable[[], None]:
    """Call `fn` with each `event` of `target`; returns what ends it."""
    proxy = create_proxy(fn)
    target.addEventListener(event, proxy)

    def end() -> None:
        target.removeEventListener(event, proxy)
        proxy.destroy()

    return end


class BrowserClock:
    """The device's clock and the event loop's timers."""

    def now(self) -> int:
        """Return the milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, fn: Callable[[], Any]) -> Callable[[], None]:
        """Call `fn` after `seconds`, unless what this returns is called before."""
        return asyncio.get_running_loop().call_later(seconds, fn).cancel


BrowserRandom = SystemRandom
"""Randomness from `crypto.getRandomValues`, by way of `os.urandom`."""
