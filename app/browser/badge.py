"""The number on the app's icon, where the app is installed and the person allowed notifications."""

from __future__ import annotations

from js import navigator, window
from pyodide.ffi import create_proxy

_ignored = create_proxy(lambda _error: None)
"""What a browser says that has the function, and nothing to show a number on."""


def show_badge(count: int) -> None:
    """Show a number on the app's icon, or none."""
    allowed = hasattr(window, "Notification") and window.Notification.permission == "granted"
    if allowed and hasattr(navigator, "setAppBadge"):
        navigator.setAppBadge(count).catch(_ignored)
