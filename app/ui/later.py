"""The views that are not shown first: loaded while a person looks at the one that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any

LATER = (
    "app.core.resolve",
    "app.core.undo",
    "app.sync.conflicts",
    "app.core.textdiff",
    "app.ui.note_words",
    "app.ui.note_draft",
    "app.ui.merge_form",
    "app.ui.conflict_card",
    "app.ui.note_list",
    "app.ui.note_overview",
    "app.ui.note_writing",
    "app.ui.notes_page",
    "app.sync.outbox_view",
    "app.ui.outbox_words",
    "app.ui.outbox_dialogs",
    "app.ui.outbox_list",
    "app.ui.outbox_page",
    "app.sync.notices",
    "app.ui.settings_words",
    "app.ui.settings_storage",
    "app.ui.settings_app",
    "app.ui.settings_page",
)
"""What they need, in an order in which each piece takes a moment only."""


async def prepare(
    views: Iterable[str],
    open_view: Callable[[str], Awaitable[Any]],
    idle: Callable[[], Awaitable[Any]],
) -> None:
    """Load and open the other views, each piece in a moment when nothing else is to be done."""
    for piece in LATER:
        await idle()
        import_module(piece)
    for view in views:
        await idle()
        await open_view(view)
