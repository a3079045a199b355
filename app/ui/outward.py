"""What the browser is told of how things stand: how much waits, what needs a person, and that
there is something to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from app.sync.report import Status
from app.sync.stores import Readable
from app.ui.page import spawn


def tell_browser(
    status: Readable[Status], note: Callable[[int, bool], None], badge: Callable[[int], None]
) -> None:
    """Have `note` know how many changes wait, and whether they can be sent now; and `badge` how
    many messages nobody has seen, and how many changes need a person.
    """
    known: list[int] = []

    def look(now: Status) -> None:
        note(now.pending, now.connection.status == "connected")
        count = now.unread + now.failed + now.conflicts
        if known != [count]:
            known[:] = [count]
            badge(count)

    status.subscribe(look)


def protect(status: Readable[Status], persist: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Ask for storage that lasts, once there is something to lose."""
    asked: list[bool] = []

    def look(now: Status) -> None:
        if now.count and not asked:
            asked.append(True)
            spawn(persist())

    status.subscribe(look)
