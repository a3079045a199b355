"""What a person sets: their name, saved as they type, and the look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from app.errors import DriftlineError
from app.sync.client import Client
from app.sync.preferences import Values
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import spawn, telling
from app.ui.settings_words import saved_text

PAUSE = 0.4
"""Seconds without typing after which it is said that all is saved."""


class NameCard:
    """How a person signs: written to the preferences as they type, confirmed once in words."""

    def __init__(self, view: Any, client: Client) -> None:
        self._preferences = client.preferences
        self._saved = saved_text(durable=client.durable)
        self._field = by_test_id("your-name")
        self._state = part(view, "name-state")
        self._saving: asyncio.Future[None] | None = None
        on(self._field, "input", self._typed)
        client.preferences.subscribe(self._render)

    def _typed(self, _event: Any) -> None:
        set_text(self._state, "")
        self._field.removeAttribute("aria-invalid")
        if self._saving is None:
            self._saving = asyncio.ensure_future(self._save())

    async def _save(self) -> None:
        """Save until nothing was typed for a while."""
        try:
            while self._field.value != self._preferences.get().name:
                await self._preferences.change(name=self._field.value)
                await asyncio.sleep(PAUSE)
            set_text(self._state, self._saved)
        except DriftlineError as error:
            set_text(self._state, str(error))
            self._field.setAttribute("aria-invalid", "true")
        finally:
            self._saving = None

    def _render(self, values: Values) -> None:
        """Show the name as another tab set it, but never under the hands of who types."""
        if self._saving is None:
            self._field.value = values.name


class ThemeCard:
    """Light, dark, or as the device is; the page follows the preference (app/main.py)."""

    def __init__(self, client: Client, notify: Callable[[str], None]) -> None:
        self._preferences = client.preferences
        self._notify = notify
        self._choice = by_test_id("theme")
        on(self._choice, "change", self._chosen)
        client.preferences.subscribe(self._render)

    def _chosen(self, event: Any) -> None:
        spawn(telling(self._notify, self._preferences.change(theme=event.target.value)))

    def _render(self, values: Values) -> None:
        self._choice.querySelector(f'[value="{values.theme}"]').checked = True
