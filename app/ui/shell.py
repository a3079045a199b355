"""The page around the routes: connection, badges, "Sync now", notices and the update bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.sync.report import Status
from app.ui.dom import by_test_id, on, part, set_text
from app.ui.words import (
    attention_text,
    connection_text,
    plural,
    says_restored,
    synced_text,
    trouble_text,
)

if TYPE_CHECKING:
    from app.ui.status_popover import StatusPopover

BADGES = {
    "pending-badge": ("pending", "pending", "pending"),
    "conflict-badge": ("conflicts", "conflict", "conflicts"),
    "failed-badge": ("failed", "failed", "failed"),
}


class Shell:
    """Draws the status; `sync` is called for "Sync now", `update` to switch to a new version,
    `dismiss` once a person has read that the server went back to a backup.
    """

    def __init__(
        self, sync: Callable[[], None], update: Callable[[], None], dismiss: Callable[[], None]
    ) -> None:
        self._connection = by_test_id("connection")
        self._synced = part(self._connection.parentElement, "synced")
        self._attention = by_test_id("attention")
        self._attention_badge = by_test_id("attention-badge")
        self._popover = by_test_id("status-popover")
        self._details: StatusPopover | None = None
        self._status = Status()
        self._banner = by_test_id("offline-banner")
        self._trouble = by_test_id("trouble")
        self._dismiss = by_test_id("dismiss-restored")
        self._sync = by_test_id("sync-now")
        self._update = by_test_id("update")
        self._badges = {name: by_test_id(name) for name in BADGES}
        on(self._sync, "click", lambda _event: sync())
        on(self._dismiss, "click", lambda _event: dismiss())
        on(self._popover, "toggle", self._toggled)
        on(part(self._update, "apply"), "click", lambda _event: update())

    def enable(self) -> None:
        """Take input from now on."""
        self._sync.disabled = False

    def render(self, status: Status) -> None:
        """Show the status."""
        self._status, connection = status, status.connection
        if self._connection.dataset.status != connection.status:
            self._connection.dataset.status = connection.status
        set_text(part(self._connection, "label"), connection_text(connection))
        set_text(self._synced, synced_text(status.last_synced))
        set_text(self._attention, attention_text(status))
        set_text(self._trouble, trouble_text(status))
        self._dismiss.hidden = not says_restored(status)
        self._banner.hidden = connection.status != "disconnected"
        self._sync.setAttribute("aria-busy", "true" if status.syncing else "false")
        for name, badge in self._badges.items():
            self._render_badge(name, badge, status)
        needed = status.failed + status.conflicts
        self._attention_badge.hidden = needed == 0
        set_text(part(self._attention_badge, "count"), f"{needed:,}")
        if self._details is not None:
            self._details.render(status)

    def offer_update(self) -> None:
        """Say that a new version waits."""
        self._update.hidden = False

    def notify(self, text: str) -> None:
        """Say something in passing; an empty text takes it back."""
        set_text(by_test_id("notice"), text)

    def _toggled(self, event: Any) -> None:
        from app.ui.status_popover import StatusPopover  # not needed to start

        if self._details is None:
            self._details = StatusPopover(self._popover)
        self._details.toggled(event.newState == "open", self._status)

    def _render_badge(self, name: str, badge: Any, status: Status) -> None:
        member, one, many = BADGES[name]
        count: int = getattr(status, member)
        badge.hidden = count == 0
        set_text(part(badge, "count"), f"{count:,}")
        set_text(part(badge, "word"), plural(count, one, many))
