"""Being told while the app is closed: asked for by a tap, never before."""

from __future__ import annotations

from typing import Any

from app.errors import DriftlineError
from app.sync.notices import Notices, NoticeState
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.page import spawn
from app.ui.settings_words import NOTICES


class NoticesCard:
    """Says how it stands, and turns it on or off; without `notices` the server has none."""

    def __init__(self, notices: Notices | None) -> None:
        self._notices = notices
        self._row = by_test_id("notices")
        self._text = part(self._row, "notices-state")
        self._turn_on = part(self._row, "notices-on")
        self._turn_off = part(self._row, "notices-off")
        on(self._turn_on, "click", self._asked)
        on(self._turn_off, "click", self._asked)

    async def refresh(self) -> None:
        """Show how it stands now."""
        self._show("unavailable" if self._notices is None else await self._notices.state())

    def _show(self, state: NoticeState) -> None:
        set_text(self._text, NOTICES[state])
        self._turn_on.hidden = state != "off"
        self._turn_off.hidden = state != "on"

    def _asked(self, event: Any) -> None:
        if self._notices is not None:
            spawn(self._turn(self._notices, event.currentTarget.dataset.part == "notices-on"))

    async def _turn(self, notices: Notices, wanted: bool) -> None:
        """Do what was asked for; the button is there again once that has ended."""
        self._turn_on.disabled = self._turn_off.disabled = True
        try:
            await (notices.turn_on() if wanted else notices.turn_off())
            await self.refresh()
        except DriftlineError as error:
            await self.refresh()
            set_text(self._text, str(error))
        finally:
            self._turn_on.disabled = self._turn_off.disabled = False
