"""The messages' view: the log, and the composer below it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from js import document

from app.core.messages import COLLECTION, SEND, Message, compose
from app.sync.client import Client
from app.sync.collection import Collection, View
from app.sync.drafts import Draft
from app.sync.report import Status
from app.ui.composer import Composer
from app.ui.dom import on, part, set_text
from app.ui.draft import DraftKeeper
from app.ui.haptics import FAILED, SENT, TAPPED, feel
from app.ui.messages import MessagesView
from app.ui.news import Items, News, Unread, news, news_text, unread_text
from app.ui.page import Taps, begin, spawn, telling
from app.ui.stretch import compare
from app.ui.words import is_waiting

if TYPE_CHECKING:
    from app.ui.outbox_dialogs import DiscardDialog

FIRST = 40
"""Messages loaded before the page takes input: more than any screen shows."""
PAGE = 100
"""Messages loaded soon after, and added each time older ones are asked for."""


class MessagesPage:
    """Shows the messages and sends what is written; `tell_unread` gets the number of new ones."""

    def __init__(
        self,
        client: Client,
        messages: Collection[Message],
        notify: Callable[[str], None],
        tell_unread: Callable[[int], None],
    ) -> None:
        self._client = client
        self._messages = messages
        self._notify = notify
        self._tell_unread = tell_unread
        self._items: Items = ()
        self._in_step = False
        self._entered = False
        self._loading_older = False
        self._unread = Unread()
        self._taps = Taps()
        verbs = {"retry": self._retry, "discard": self._discard}
        self._view = MessagesView(verbs, self._older, self._attend)
        self._composer = Composer(self._send)
        self._draft = DraftKeeper(client.drafts, COLLECTION, self._composer.text)
        self._newest = part(document, "newest")
        self._announcer = part(document, "announcer")
        on(self._newest, "click", self._newest_wanted)
        on(document, "visibilitychange", lambda _event: self._attend())

    async def start(self) -> None:
        """See `Page`."""
        draft, _ = await asyncio.gather(
            self._client.drafts.get(COLLECTION), self._messages.load(FIRST)
        )
        self._in_step = bool(self._messages.get_view().items)
        self._client.status.subscribe(self._follow_status)
        self._messages.subscribe(self._render)
        if draft is not None:
            self._restore(draft)
        self._composer.enable(self._draft.changed)
        spawn(self._messages.load(PAGE))

    def enter(self, _item: str | None) -> None:
        """See `Page`."""
        self._entered = True
        self._view.look()
        self._attend()

    def leave(self) -> None:
        """See `Page`."""
        self._entered = False
        self._attend()

    def _render(self, view: View[Message]) -> None:
        if not view.loaded:
            return
        change = compare(self._items, view.items)
        found = news(self._items, view.items, change)
        self._items = view.items
        if self._in_step:
            self._tell(found)
        self._view.render(view, change, self._unread.first)
        self._show_unread()

    def _tell(self, found: News) -> None:
        self._unread.arrive(found.arrived)
        if found.failed:
            feel(FAILED)
        elif found.sent:
            feel(SENT)
        if text := news_text(found):
            set_text(self._announcer, text)

    def _follow_status(self, status: Status) -> None:
        self._view.set_waiting(is_waiting(status))
        if status.last_synced is not None:
            self._in_step = True  # before, on a new device, what comes is history and not new
        if status.unread and not document.hidden:
            self._client.status.mark_read()

    def _attend(self) -> None:
        """Note whether a person sees the end of the log now."""
        seen = self._entered and self._view.at_end and not document.hidden
        self._unread.attend(seen)
        self._show_unread()

    def _show_unread(self) -> None:
        count = self._unread.count
        self._tell_unread(count)
        self._newest.hidden = self._view.at_end
        set_text(part(self._newest, "label"), unread_text(count))

    def _newest_wanted(self, _event: Any) -> None:
        self._view.show_newest()
        self._composer.focus()

    async def _send(self, text: str) -> None:
        queue = self._client.queue
        data = compose(text, self._client.preferences.get().name)
        set_text(self._announcer, "")
        self._unread.forget()
        await queue.add(SEND, data, collection=COLLECTION, item_id=queue.new_id())
        self._view.show_newest()
        feel(TAPPED)

    def _restore(self, draft: Draft) -> None:
        """Put a draft back, unless it was sent and the page went before that was noted."""
        sent = draft.text.rstrip()
        later = (it.value for it in self._items if it.value.sent_at >= draft.kept_at)
        self._draft.begin(draft.text)
        if not any(message.text == sent for message in later):
            self._composer.restore(draft.text)

    def _older(self) -> None:
        if not self._loading_older:
            self._loading_older = True
            spawn(self._load_older())

    async def _load_older(self) -> None:
        try:
            await self._messages.load_older(PAGE)
        finally:
            self._loading_older = False
        self._view.show_older()

    def _retry(self, action_id: str) -> None:
        retry = self._client.queue.retry
        self._taps.do(action_id, lambda: telling(self._notify, retry(action_id)))

    def _discard(self, action_id: str) -> None:
        spawn(begin(telling(self._notify, self._ask_and_discard(action_id))))

    async def _ask_and_discard(self, action_id: str) -> None:
        entry = await self._client.queue.get(action_id)
        if await self._discarding.ask(entry):
            await self._client.queue.remove(action_id)

    @cached_property
    def _discarding(self) -> DiscardDialog:
        from app.ui.outbox_dialogs import DiscardDialog  # hardly anybody needs it at a start

        return DiscardDialog()
