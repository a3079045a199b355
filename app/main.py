"""The composition root: the only file that knows every adapter, and wires them to the widgets."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from typing import Any

from js import document, driftline, navigator
from pyodide.ffi import JsException

from app.browser.console import log_to_console
from app.browser.ffi import BrowserClock, BrowserRandom
from app.browser.http import browser_http, patch_standard_http
from app.browser.idb import IndexedDBStore
from app.browser.network import event_stream, online, watch_network
from app.browser.tabs import LockLeadership, TabChannel
from app.browser.updates import Updates
from app.core.collections import registry
from app.core.messages import COLLECTION, SEND, Message, compose
from app.errors import DriftlineError
from app.sync.client import Client, World
from app.sync.collection import Collection
from app.sync.pokes import Pokes
from app.sync.report import Status
from app.sync.transport import Transport
from app.ui.composer import Composer
from app.ui.messages import MessagesView
from app.ui.shell import Shell

DATABASE = "driftline"
FIRST = 30
"""Messages drawn before the page takes input: more than any screen shows."""
COLLECT_AFTER = 20_000
"""Objects made, and not gone by themselves, after which garbage is looked for: not in each tap."""
PAGE = 100
"""Messages shown soon after, and added each time older ones are asked for."""

_log = logging.getLogger(__name__)
_tasks: set[asyncio.Future[Any]] = set()


def setting(name: str, default: str) -> str:
    """Return a setting that the page's author, or the build, wrote into the page."""
    found = document.querySelector(f'meta[name="driftline-{name}"]')
    return str(found.content) if found else default


def api_url() -> str:
    """Return the API's address."""
    return setting("api", "./api")


def plain_rest() -> bool:
    """Tell whether the API is to be talked to by plain REST."""
    return setting("transport", "batch") == "rest"


def transport(world: World) -> Transport | None:
    """Return the way to an API by plain REST, where the page is set up for one."""
    if not plain_rest():
        return None
    from app.sync.rest import RestTransport  # most pages do without it

    return RestTransport(world.http, world.clock, registry, api_url())


async def connect() -> Client:
    """Return a client on this browser's storage and network; raises `StorageError`."""
    store = IndexedDBStore(DATABASE)
    await store.open()
    world = World(
        store=store,
        http=browser_http,
        clock=BrowserClock(),
        random=BrowserRandom(),
        leadership=LockLeadership(DATABASE),
        channel=TabChannel(DATABASE),
        online=online,
        prepare_handlers=patch_standard_http,
    )
    return Client(world, api_url(), transport=transport(world))


class App:
    """The team log: a client, its messages, and the widgets that show them."""

    def __init__(self, client: Client, messages: Collection[Message]) -> None:
        self._client = client
        self._messages = messages
        self._shown = PAGE
        self._updates = Updates(self._offer_update)
        self._shell = Shell(self._sync, self._updates.apply, self._dismiss)
        self._view = MessagesView(self._retry, self._discard, self._older)
        self._composer = Composer(self._send)
        stream = event_stream(f"{api_url()}/events")
        self._pokes = Pokes(stream, BrowserClock(), client.poke, client.wake)

    async def start(self) -> None:
        """Show what is on the device, take input, and begin to synchronise."""
        await self._client.start()
        await self._messages.load(FIRST)
        self._client.status.subscribe(self._render)
        self._messages.subscribe(self._view.render)
        self._shell.enable()
        self._composer.enable()
        driftline.ready()
        gc.freeze()  # what is loaded by now is never garbage: looking through it delays a tap
        gc.set_threshold(COLLECT_AFTER)
        watch_network(self._wake, self._client.connection.set_disconnected)
        self._client.connection.is_connected.subscribe(self._listen)
        self._client.leading.subscribe(self._listen)
        spawn(self._messages.load(self._shown))
        spawn(self._client.run())
        spawn(self._updates.watch())

    def _render(self, status: Status) -> None:
        self._shell.render(status)
        self._view.set_offline(status.connection.status == "disconnected")
        if status.unread and not document.hidden:
            self._client.status.mark_read()

    def _listen(self, _changed: bool) -> None:
        """One context of a device listens: browsers allow few streams to a host.

        REST APIs have no such stream: they are asked now and then.
        """
        connected = self._client.connection.is_connected.get() and not plain_rest()
        self._pokes.follow(connected and self._client.leading.get())

    async def _send(self, text: str) -> None:
        await self._client.queue.add(
            SEND, compose(text), collection=COLLECTION, item_id=self._client.queue.new_id()
        )
        self._view.show_newest()
        if hasattr(navigator, "vibrate"):
            navigator.vibrate(10)

    def _wake(self) -> None:
        self._client.wake(urgent=True)

    def _sync(self) -> None:
        spawn(self._client.sync())

    def _dismiss(self) -> None:
        spawn(self._tell_refusal(self._client.dismiss_restored()))

    def _older(self) -> None:
        self._shown += PAGE
        spawn(self._messages.load(self._shown))

    def _retry(self, action_id: str) -> None:
        spawn(self._tell_refusal(self._client.queue.retry(action_id)))

    def _discard(self, action_id: str) -> None:
        spawn(self._tell_refusal(self._client.queue.remove(action_id)))

    async def _tell_refusal(self, work: Coroutine[Any, Any, Any]) -> None:
        self._shell.notify("")
        try:
            await work
        except DriftlineError as error:
            self._shell.notify(str(error))

    def _offer_update(self) -> None:
        self._shell.offer_update()


def spawn(work: Coroutine[Any, Any, Any]) -> None:
    """Run `work` beside everything else; what it raises is logged, never swallowed."""
    task = asyncio.ensure_future(work)
    _tasks.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Future[Any]) -> None:
    _tasks.discard(task)
    if not task.cancelled() and task.exception() is not None:
        _log.error("A background task failed", exc_info=task.exception())


async def main() -> None:
    """Start the app, or say on the page why it cannot start."""
    log_to_console()
    try:
        client = await connect()
        await App(client, client.collection(COLLECTION, Message)).start()
    except (DriftlineError, JsException) as error:
        _log.exception("The app could not start")
        driftline.bootFailed(str(error))
