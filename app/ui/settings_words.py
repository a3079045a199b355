"""The words of the settings view. Pure, so that they are tested anywhere."""

from __future__ import annotations

from datetime import datetime

from app.ports import InstallState, StorageState, UpdateState
from app.sync.notices import NOT_ALLOWED, NoticeState
from app.ui.words import plural

UNITS = ("bytes", "kB", "MB", "GB", "TB")

PROTECTED = "Protected: the browser will not clear it to make room."
UNPROTECTED = (
    "Not protected: if this device runs out of room, the browser may clear what is kept here. "
    "What has been sent is safe on the server."
)
REFUSED = (
    "The browser said no for now. It decides by itself, and may agree once the app is installed or "
    "used more often. What has been sent is safe on the server."
)
UNKNOWN = "This browser does not say whether it may clear what is kept here."

INSTALL: dict[InstallState, str] = {
    "offered": "Put Driftline on this device, with an icon and a window of its own.",
    "by_hand": (
        "To put Driftline on your home screen, tap Share in the browser's bar, "
        "then “Add to Home Screen”."
    ),
    "installed": "Driftline is installed on this device.",
    "unavailable": "",
}
NOTICES: dict[NoticeState, str] = {
    "off": "Be told that there is something new while Driftline is closed, and not what it is.",
    "on": "You are told that there is something new while Driftline is closed, and not what it is.",
    "denied": NOT_ALLOWED,
    "unavailable": "This browser, or the server, cannot tell of news while Driftline is closed.",
}
NOT_CHECKED = "A new version is looked for at each start."
UPDATE: dict[UpdateState, str] = {
    "newest": "You have the newest version.",
    "ready": "A new version is ready.",
    "not_kept": "This browser loads the newest version each time.",
}


def saved_text(*, durable: bool) -> str:
    """Return that a setting was taken, and no more than is true."""
    return "Saved" if durable else "Kept while this page is open"


def size_text(size: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least 1 of it."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    digits = 1 if unit and amount < 9.95 else 0
    return f"{amount:.{digits}f} {UNITS[unit]}"


def usage_text(state: StorageState) -> str:
    """Return how much of what the browser allows is in use."""
    if state.used is None:
        return "This browser does not say how much is stored."
    if not state.quota:
        return f"{size_text(state.used)} used"
    return f"{size_text(state.used)} used of about {size_text(state.quota)}"


def share_used(state: StorageState) -> float:
    """Return the share of what is allowed that is in use, from 0 to 1."""
    return min(1.0, (state.used or 0) / state.quota) if state.quota else 0.0


def persistence_text(state: StorageState, *, asked: bool) -> str:
    """Return whether the browser may clear what is kept; `asked` if it was just asked not to."""
    if state.persistent is None:
        return UNKNOWN
    if state.persistent:
        return PROTECTED
    return REFUSED if asked else UNPROTECTED


def erase_text(unsent: int) -> str:
    """Return what deleting everything loses, beside what the server has."""
    if not unsent:
        return "Everything here has been sent: the server keeps it."
    changes = plural(unsent, "change was", "changes were")
    them = plural(unsent, "It exists", "They exist")
    return f"{unsent:,} {changes} not sent. {them} only on this device and would be lost for good."


def export_name(when: datetime) -> str:
    """Return the name of the file with everything on the device."""
    return f"driftline-{when:%Y-%m-%d-%H%M}.json"
