"""Waiting for a moment in which the browser has nothing better to do."""

from __future__ import annotations

import asyncio
from typing import Any

from js import window
from pyodide.ffi import create_once_callable

from app.browser.ffi import js_object

AT_LATEST = 2_000
"""Milliseconds after which a moment is taken although the browser is busy."""


async def idle() -> None:
    """Return in an idle moment; where the browser knows of none (Safari), in a turn of its own."""
    if not hasattr(window, "requestIdleCallback"):
        await asyncio.sleep(0)
        return
    come: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def arrived(_deadline: Any) -> None:
        if not come.done():
            come.set_result(None)

    window.requestIdleCallback(create_once_callable(arrived), js_object({"timeout": AT_LATEST}))
    await come
