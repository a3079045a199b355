"""Whether a browser would ask a person before it promises to keep what is stored."""

from __future__ import annotations

from collections.abc import Collection

APPLE = "Apple Computer, Inc."


def asks_nobody(permission: str | None, brands: Collection[str], vendor: str) -> bool:
    """Tell whether `navigator.storage.persist()` shows no prompt in this browser.

    Chromium and WebKit decide by themselves, from how the site is used; Firefox asks the person,
    unless they agreed before. Any other browser is taken for one that asks.
    """
    if permission == "denied":
        return False
    return permission == "granted" or "Chromium" in brands or vendor == APPLE
