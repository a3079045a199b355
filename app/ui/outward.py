"""What the browser is told of how things stand: how much waits, what needs a person, and that
there is something to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from app.sync.report import Status
from app.sync.stores import Readable
from app.ui.page import spawn


def tell_of_waiting(status: Readable[Status], note: Callable[[int, bool], None]) -> None:
    """Have `note` know how many changes wait, and whether they can be sent now."""
    status.subscribe(lambda now: note(now.pending, now.connection.status == "connected"))


def protect(status: Readable[Status], persist: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Ask for storage that lasts, once there is something to lose."""
    asked: list[bool] = []

    def look(now: Status) -> None:
        if now.count and not asked:
            asked.append(True)
            spawn(persist())

    status.subscribe(look)
