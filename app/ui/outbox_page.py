"""The outbox' view: everything that waits, why, and what a person can do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from datetime import date, datetime
from typing import Any

from js import document

from app.core.actions import Data
from app.core.entry import Entry
from app.sync.client import Client
from app.sync.retrying import retry_all
from app.sync.stores import Unsubscribe
from app.ui.dom import on, part, set_text
from app.ui.files import download, picked_text
from app.ui.outbox_dialogs import DiscardDialog, EditDialog
from app.ui.outbox_list import OutboxList
from app.ui.outbox_words import file_name, imported_text, summary_text
from app.ui.page import Taps, begin, spawn, telling
from app.ui.ticker import Ticker
from app.ui.words import last_synced_text, plural


class OutboxPage:
    """Shows the outbox while it is open, and does what a person chooses."""

    def __init__(self, client: Client, notify: Callable[[str], None]) -> None:
        self._client = client
        self._notify = notify
        self._pages = client.outbox()
        self._scroller = part(document, "outbox")
        self._discarding = DiscardDialog()
        self._editing = EditDialog()
        self._list = OutboxList(self._scroller, self._act, self._more)
        self._ticker = Ticker(lambda: self._list.tick(_now()))
        self._following: list[Unsubscribe] = []
        self._taps = Taps()
        self._verbs = {
            "discard": self._discard,
            "edit": self._edit,
            "export": self._export,
        }

    async def start(self) -> None:
        """See `Page`."""
        tools = {name: part(self._scroller, name) for name in ("retry-all", "export-all", "import")}
        file = part(self._scroller, "file")
        on(tools["retry-all"], "click", lambda _event: self._tapped(self._retry_all))
        on(tools["export-all"], "click", lambda _event: self._tapped(self._export_all))
        on(tools["import"], "click", lambda _event: file.click())
        on(file, "change", lambda _event: self._do(self._import()))
        tools["import"].disabled = False

    def enter(self, _item: str | None) -> None:
        """See `Page`."""
        if self._following:
            return
        self._scroller.scrollTop = 0
        self._following = [
            self._client.status.subscribe(lambda _status: self._render()),
            self._pages.subscribe(lambda _pages: self._render()),
        ]
        self._ticker.start()
        self._do(self._pages.open())

    def leave(self) -> None:
        """See `Page`."""
        self._pages.close()
        self._ticker.stop()
        for end in self._following:
            end()
        self._following = []

    def _render(self) -> None:
        pages, status = self._pages.get(), self._client.status.get()
        if not pages.loaded:
            return
        self._list.render(pages, status, _now())
        empty = not pages.entries
        part(self._scroller, "empty").hidden = not empty
        set_text(part(self._scroller, "synced"), last_synced_text(status.last_synced))
        set_text(part(self._scroller, "summary"), summary_text(status))
        part(self._scroller, "retry-all").hidden = not status.failed
        part(self._scroller, "export-all").hidden = empty

    def _act(self, verb: str, entry: Entry) -> None:
        if verb == "retry":  # a dialog, or a file, takes the second tap for the others
            self._taps.do(entry.id, lambda: self._begun(self._retry(entry)))
        else:
            self._do(self._verbs[verb](entry))

    def _tapped(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._taps.do(work.__name__, lambda: self._begun(work()))

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        spawn(self._begun(work))

    def _begun(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        return begin(telling(self._notify, work))

    def _more(self) -> None:
        self._do(self._pages.load_more())

    async def _retry(self, entry: Entry) -> None:
        await self._client.queue.retry(entry.id)

    async def _retry_all(self) -> None:
        count = await retry_all(self._client.queue)
        self._notify(f"Trying {count:,} {plural(count, 'change', 'changes')} again.")

    async def _discard(self, entry: Entry) -> None:
        if await self._discarding.ask(entry):
            await self._client.queue.remove(entry.id)

    async def _edit(self, entry: Entry) -> None:
        async def save(data: Data) -> None:
            await self._client.queue.edit(entry.id, data)

        self._editing.open(entry, save)

    async def _export(self, entry: Entry) -> None:
        download(file_name(_today()), await self._pages.export(entry))

    async def _export_all(self) -> None:
        download(file_name(_today()), await self._client.queue.export())

    async def _import(self) -> None:
        text = await picked_text(part(self._scroller, "file"))
        if text is not None:
            imported = await self._client.queue.import_entries(text)
            self._notify(imported_text(len(imported.added), imported.held, imported.known))


def _today() -> date:
    return datetime.now().astimezone().date()


def _now() -> int:
    return time.time_ns() // 1_000_000
