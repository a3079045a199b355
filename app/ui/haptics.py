"""What a hand feels of sending, where the device can make itself felt."""

from __future__ import annotations

from js import document, navigator
from pyodide.ffi import to_js

TAPPED = (10,)
SENT = (10, 60, 10)
FAILED = (60, 40, 60)
"""Milliseconds of vibration, pause, vibration …"""


def feel(pattern: tuple[int, ...]) -> None:
    """Vibrate; browsers refuse it, aloud, on a page that nobody has touched yet."""
    if not hasattr(navigator, "vibrate") or document.hidden:
        return
    activation = getattr(navigator, "userActivation", None)
    if activation is None or activation.hasBeenActive:
        navigator.vibrate(to_js(pattern))
