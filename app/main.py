"""The composition root: the only file that knows every adapter, and wires them to the widgets."""

from __future__ import annotations

import asyncio
import gc
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from js import URL, document, driftline, driftlineTheme, location
from pyodide.ffi import JsException

from app.browser.background import Background
from app.browser.badge import show_badge
from app.browser.console import log_to_console
from app.browser.device import BrowserDevice
from app.browser.ffi import BrowserClock, BrowserRandom
from app.browser.http import browser_http, patch_standard_http
from app.browser.idb import IndexedDBStore
from app.browser.idle import idle
from app.browser.network import event_stream, online, watch_network
from app.browser.push import BrowserPush, without_push
from app.browser.tabs import TabChannel, lock_leadership
from app.browser.updates import Updates
from app.core.collections import registry
from app.core.messages import COLLECTION as MESSAGES
from app.core.messages import Message
from app.core.notes import COLLECTION as NOTES
from app.core.notes import Note
from app.core.schema import UPGRADES
from app.errors import DriftlineError, StorageError, StorageNewer
from app.sync.client import Client, World
from app.sync.identity import first_write
from app.sync.lease import LeaseLeadership
from app.sync.pokes import Pokes
from app.sync.stores import Writable
from app.sync.transport import Transport
from app.ui.ended import watch_end
from app.ui.later import prepare
from app.ui.messages_page import MessagesPage
from app.ui.outward import protect, tell_browser
from app.ui.page import Page, spawn, telling
from app.ui.router import Router
from app.ui.routes import VIEWS, Route
from app.ui.shell import Shell
from app.ui.words import OPEN_ELSEWHERE

if TYPE_CHECKING:
    from app.ui.settings_app import Around

DATABASE = "driftline"
COLLECT_AFTER = 20_000
"""Objects made, and not gone by themselves, after which garbage is looked for: not in each tap."""

_log = logging.getLogger(__name__)


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


async def connect(background: Background) -> Client:
    """Return a client on this browser's network, and on its storage where it has any.

    Raises `StorageNewer` where there is some, but for a newer version of the app only.
    """
    store = IndexedDBStore(DATABASE)
    around = World(
        store=store,
        http=browser_http,
        clock=BrowserClock(),
        random=BrowserRandom(),
        leadership=lock_leadership(DATABASE)
        or LeaseLeadership(store, BrowserClock(), str(BrowserRandom().getrandbits(64))),
        channel=TabChannel(DATABASE),
        online=online,
        prepare_handlers=patch_standard_http,
        queued=background.asked,
    )
    try:
        await store.open()
        await first_write(store, around.clock, around.random)
    except StorageNewer:
        raise
    except StorageError as error:
        around = in_memory(around, error)
    else:
        around = replace(around, erase=without_push(store.delete))
    return Client(around, api_url(), transport=transport(around))


def in_memory(around: World, reason: StorageError) -> World:
    """Return the world of a tab by itself, which keeps what it holds for as long as it is open."""
    from app.memory import MemoryStore, SoleChannel, SoleLeadership  # almost nobody needs them

    _log.warning("Nothing can be kept on this device: %s", reason)
    return replace(
        around,
        store=MemoryStore(UPGRADES),
        leadership=SoleLeadership(),
        channel=SoleChannel(),
        durable=False,
    )


class App:
    """The app: a client, and the pages that show what it holds."""

    def __init__(self, client: Client, background: Background) -> None:
        self._client = client
        self._background = background
        self._device = BrowserDevice()
        self._update_ready = Writable(False)
        self._updates = Updates(self._offer_update, lambda: self._shell.notify(OPEN_ELSEWHERE))
        self._shell = Shell(self._sync, self._updates.apply, self._dismiss)
        self._router = Router()
        self._pages: dict[str, asyncio.Future[Page]] = {}
        self._entered: Page | None = None
        stream = event_stream(f"{api_url()}/events")
        self._pokes = Pokes(stream, BrowserClock(), client.poke, client.wake)

    async def start(self) -> None:
        """Show what is on the device, take input, and begin to synchronise."""
        await self._client.start()
        if not self._client.durable:
            from app.ui.unsaved import Unsaved

            Unsaved(self._client.status)
        self._client.preferences.subscribe(lambda values: driftlineTheme(values.theme))
        watch_end(self._client.erased)
        await self._page(self._router.route.get().view)
        self._client.status.subscribe(self._shell.render)
        self._shell.enable()
        self._router.enable()
        self._router.route.subscribe(lambda route: spawn(self._enter(route)))
        driftline.ready()
        gc.freeze()  # what is loaded by now is never garbage: looking through it delays a tap
        gc.set_threshold(COLLECT_AFTER)
        gc.enable()
        watch_network(self._client.resume, self._client.connection.set_disconnected)
        tell_browser(self._client.status, self._background.note, show_badge)
        self._client.connection.is_connected.subscribe(self._listen)
        self._client.leading.subscribe(self._listen)
        spawn(self._client.run())
        spawn(self._updates.watch())
        spawn(self._background.watch(lambda: self._client.wake(urgent=True)))
        spawn(self._prepare())

    async def _page(self, view: str) -> Page:
        """Return the page of a view, started; its code is loaded when it is first needed."""
        if view not in self._pages:
            self._pages[view] = asyncio.ensure_future(self._started(view))
        return await self._pages[view]

    async def _started(self, view: str) -> Page:
        page = self._make(view)
        await page.start()
        return page

    def _make(self, view: str) -> Page:
        if view == "notes":
            from app.ui.notes_page import NotesPage

            notes = self._client.collection(NOTES, Note)
            return NotesPage(
                self._client, notes, self._shell.notify, lambda it: self._router.go(Route(view, it))
            )
        if view == "outbox":
            from app.ui.outbox_page import OutboxPage

            return OutboxPage(self._client, self._shell.notify)
        if view == "settings":
            from app.ui.settings_page import SettingsPage

            return SettingsPage(self._client, self._around_settings(), self._shell.notify)
        messages = self._client.collection(MESSAGES, Message)
        return MessagesPage(self._client, messages, self._shell.notify, self._router.set_unread)

    def _around_settings(self) -> Around:
        from app.sync.notices import Notices
        from app.ui.settings_app import Around

        address = str(URL.new(api_url(), location.href).href)
        parts = browser_http, BrowserClock(), api_url(), BrowserPush(), self._client.client_id
        notices = None if plain_rest() else Notices(*parts)
        return Around(self._device, self._updates, self._update_ready, address, notices)

    async def _prepare(self) -> None:
        """Have the other pages ready before they are asked for, in moments when nothing else is."""
        if self._client.durable:
            protect(self._client.status, self._device.persist_quietly)
        await prepare(VIEWS, self._page, idle)

    async def _enter(self, route: Route) -> None:
        page = await self._page(route.view)
        if self._router.route.get() != route:
            return  # the person went on meanwhile
        if self._entered not in (None, page):
            self._entered.leave()
        self._entered = page
        page.enter(route.item)

    def _listen(self, _changed: bool) -> None:
        """One context of a device listens: browsers allow few streams. REST APIs have none."""
        connected = self._client.connection.is_connected.get() and not plain_rest()
        self._pokes.follow(connected and self._client.leading.get())

    def _sync(self) -> None:
        spawn(self._client.sync())

    def _dismiss(self) -> None:
        spawn(telling(self._shell.notify, self._client.dismiss_restored()))

    def _offer_update(self) -> None:
        self._update_ready.set(True)
        self._shell.offer_update()


async def main() -> None:
    """Start the app, or say on the page why it cannot start."""
    log_to_console()
    try:
        background = Background()
        client = await connect(background)
        await App(client, background).start()
    except (DriftlineError, JsException) as error:
        _log.exception("The app could not start")
        driftline.bootFailed(str(error))
