"""Where the browser keeps nothing: a ribbon that stays, and a question before anything is lost."""

from __future__ import annotations

from typing import Any

from js import document, window

from app.sync.report import Status
from app.sync.stores import Readable
from app.ui.dom import by_test_id, on


class Unsaved:
    """Says so for the life of the page; where something is unsent, closing it asks first.

    `data-storage` of the root element lets the style sheets leave out words that promise more.
    """

    def __init__(self, status: Readable[Status]) -> None:
        self._status = status
        document.documentElement.dataset.storage = "memory"
        by_test_id("unsaved").hidden = False
        on(window, "beforeunload", self._leaving)

    def _leaving(self, event: Any) -> None:
        if self._status.get().count:
            event.preventDefault()
