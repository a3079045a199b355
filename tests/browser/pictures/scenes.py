"""Bringing a device into the state that is pictured, with a log and notes as people write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.notes import Notes
from tests.browser.page import App
from tests.browser.servers import Server
from tests.browser.settings_view import Settings
from tests.browser.states import REFUSED, change_at_rest, conflicting

MINUTE = 60_000
LOG = (
    ("Ruth", 1460, "Reached the hut before dark. The stove works, firewood for two days."),
    ("Jon", 1440, "Good. The pump at kilometre 7 runs again; spare seals are in the van."),
    ("Ruth", 95, "Path to the saddle is iced over. We go round by the lake, one hour more."),
    ("Jon", 41, "Bridge 4 is clear.\nThe railing on the left side is loose: keep right."),
    ("Ruth", 12, "Battery of the north mast at 11.9 V, enough for tonight."),
)
NOTES = (
    ("Radio plan", "Channel 6 until noon, then 11.\nRelay: north mast."),
    ("Hut keys", "One under the stone, one with the warden."),
    ("Spare parts", "Seals 40 mm: 6\nFuses 10 A: 12\nShear pins: 2, order more"),
)
BRIDGE = (
    "Railing loose on the left side. Loads up to 3 t.",
    "Railing mended on the left side by Jon. Loads up to 3 t.",
    "Railing loose on the left side. Loads up to 2 t until it is looked at.",
)
"""A note before two people changed it, and what each made of it."""
REFUSES = """
indexedDB.open = () => { throw new DOMException("Access is denied.", "SecurityError"); }"""
REFUSED_NOTE = {
    **REFUSED,
    "error": {
        "code": "invalid",
        "message": "The notes do not take this.",
        "fields": {"body": "holds three exclamation marks in a row"},
    },
}
RUNTIME = "**/pyodide.asm.wasm"


@dataclass(frozen=True)
class Stage:
    """A server, and how devices are made there: `device` takes what is to be done to its context
    before anything is loaded; the app is not opened yet."""

    server: Server
    device: Callable[..., App]

    def ready(self, prepare: Callable[[BrowserContext], object] | None = None) -> App:
        """Return the app on a new device, ready and connected."""
        return self.device(prepare).goto().wait_ready().wait_for_connection("connected")

    def lived_in(self, prepare: Callable[[BrowserContext], object] | None = None) -> App:
        """Return the app of someone called Mara, with messages and notes that are synchronised."""
        for sender, minutes, text in LOG:
            self.server.add_messages_of(sender, text, ages=(minutes * MINUTE,))
        self.server.add_notes_of("another-device", *NOTES)
        app = self.ready(prepare)
        settings = Settings(app)
        settings.name.fill("Mara")
        expect(app.page.locator("#settings-name-state")).not_to_be_empty()
        messages(app).send("On the way to bridge 4, back at the hut around 18:00.")
        app.wait_for_statuses(*["sent"] * (len(LOG) + 1))
        return app


def messages(app: App) -> App:
    """Go to the messages."""
    app.page.get_by_role("link", name="Messages").click()
    expect(app.composer).to_be_visible()
    return app


def loading(stage: Stage) -> App:
    """Keep Python from starting."""
    return stage.device(lambda context: context.route(RUNTIME, _hold)).goto()


def slow(stage: Stage) -> App:
    """Wait until the page says that starting takes long."""
    app = loading(stage)
    expect(app.by_test_id("boot-error")).to_be_visible(timeout=20_000)
    return app


def broken(stage: Stage) -> App:
    """Let a part of the runtime be missing."""

    def missing(context: BrowserContext) -> None:
        context.route(RUNTIME, lambda route: route.fulfill(status=404))

    app = stage.device(missing).goto()
    app.wait_failed()
    return app


def empty(stage: Stage) -> App:
    """Start with nothing written yet."""
    return stage.ready()


def synced(stage: Stage) -> App:
    """Have messages and notes, and nothing that waits."""
    return stage.lived_in()


def offline(stage: Stage) -> App:
    """Write without a network."""
    app = stage.lived_in().offline().wait_for_connection("disconnected")
    app.send("Fuel for three days left.").send("Snow since noon, visibility 50 m.")
    notes = Notes(app).enter().write("Weather", "Snow from noon, wind from the north-west.")
    notes.edit("Hut keys", body="One under the stone, one with the warden in the village.")
    return app


def failed(stage: Stage) -> App:
    """Have a message and a note that the server refused."""
    app = stage.lived_in().wait_installed().offline().send("Fuel for three days left.")
    Notes(app).enter().edit("Hut keys", body="One under the stone, one with the warden!!!")
    change_at_rest(app, {0: REFUSED, 1: REFUSED_NOTE}).online()
    return app.wait_for_connection("connected")


def conflict(stage: Stage) -> App:
    """Have a note that somebody else changed meanwhile."""
    return conflicting(stage.lived_in(), stage.ready(), "Bridge 4", BRIDGE).app


def error(stage: Stage) -> App:
    """Have a server that is there, but cannot do what it is asked."""
    app = stage.lived_in()
    app.page.route("**/api/sync", _refuse)
    app.send("Fuel for three days left.")
    expect(app.by_test_id("trouble")).not_to_be_empty()
    return app


def memory(stage: Stage) -> App:
    """Have a browser that allows no storage, and be offline with a message that waits."""
    app = stage.lived_in(lambda context: context.add_init_script(REFUSES))
    app.offline().wait_for_connection("disconnected")
    return app.send("Fuel for three days left.")


SCENES: dict[str, Callable[[Stage], App]] = {
    scene.__name__: scene
    for scene in (
        loading, slow, broken, empty, synced, offline, failed, conflict, error, memory
    )
}  # fmt: skip
"""What brings a device into each state."""


def _refuse(route: Route) -> None:
    """Answer as the server does while its database cannot be used."""
    message = "The server cannot reach its data now. Send the same again shortly."
    error = {"code": "unavailable", "message": message, "fields": {}}
    route.fulfill(status=503, json={"error": error}, headers={"Retry-After": "30"})


def _hold(_route: Route) -> None:
    """Leave a request without an answer."""
