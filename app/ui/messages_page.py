"""The messages' view: the log, and the composer below it."""

from __future__ import annotations

from collections.abc import Callable

from js import document, navigator

from app.core.messages import COLLECTION, SEND, Message, compose
from app.sync.client import Client
from app.sync.collection import Collection
from app.sync.report import Status
from app.ui.composer import Composer
from app.ui.messages import MessagesView
from app.ui.page import spawn, telling

FIRST = 30
"""Messages drawn before the page takes input: more than any screen shows."""
PAGE = 100
"""Messages shown soon after, and added each time older ones are asked for."""


class MessagesPage:
    """Shows the messages and sends what is written."""

    def __init__(
        self, client: Client, messages: Collection[Message], notify: Callable[[str], None]
    ) -> None:
        self._client = client
        self._messages = messages
        self._notify = notify
        self._view = MessagesView(self._retry, self._discard, self._older)
        self._composer = Composer(self._send)

    async def start(self) -> None:
        """See `Page`."""
        await self._messages.load(FIRST)
        self._client.status.subscribe(self._render)
        self._messages.subscribe(self._view.render)
        self._composer.enable()
        spawn(self._messages.load(PAGE))

    def enter(self, _item: str | None) -> None:
        """See `Page`."""

    def leave(self) -> None:
        """See `Page`."""

    def _render(self, status: Status) -> None:
        self._view.set_offline(status.connection.status == "disconnected")
        if status.unread and not document.hidden:
            self._client.status.mark_read()

    async def _send(self, text: str) -> None:
        queue = self._client.queue
        await queue.add(SEND, compose(text), collection=COLLECTION, item_id=queue.new_id())
        self._view.show_newest()
        if hasattr(navigator, "vibrate"):
            navigator.vibrate(10)

    def _older(self) -> None:
        spawn(self._messages.load_older(PAGE))

    def _retry(self, action_id: str) -> None:
        spawn(telling(self._notify, self._client.queue.retry(action_id)))

    def _discard(self, action_id: str) -> None:
        spawn(telling(self._notify, self._client.queue.remove(action_id)))
